import { readFile } from 'node:fs/promises';
import { parseTargetList } from '../../compile/target-list.ts';
import type { FileSource } from '../../compile/upstream-work.ts';
import { watchFiles } from '../../config/watch.ts';
import type { Place } from './source.ts';

/** Events are what counts; this is for systems that send none, and for what changed between reading and watching. */
const LOOK_EVERY_MS = 5_000;
/** A writer that is not atomic has ended by then. */
const QUIET_MS = 50;
const GRACE_MS = 200;
const MAX_BYTES = 1024 * 1024;

/** A list in a file, by content: renames and links that are swapped are changes like any other. */
export function filePlace({ file, keepFor }: FileSource): Place {
  return {
    origin: 'file',
    of: file,
    keepFor,
    async look(signal) {
      const bytes = await readFile(file, { signal }).catch((error: NodeJS.ErrnoException) => {
        throw new Error(error.code === 'ENOENT' ? 'it does not exist' : `it cannot be read: ${error.message}`);
      });
      if (bytes.length > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES} bytes`);
      const list = parseTargetList(bytes.toString(), 'yaml');
      if (!list.ok) throw new Error(list.reason);
      return { ...list, failure: null, nextIn: LOOK_EVERY_MS };
    },
    watch: (changed) => watchFiles({ files: [file], debounce: QUIET_MS, grace: GRACE_MS, onChange: changed }),
  };
}

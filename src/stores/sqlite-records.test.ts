import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { recordsContract } from '../../test/contract/records.ts';
import { until } from '../../test/harness.ts';
import { RecordsError } from '../plan/records.ts';
import { SqliteRecords } from './sqlite-records.ts';

/** A disk of its own takes a mount of its own. */
const mountingMissing =
  spawnSync('unshare', ['-rm', 'true']).status === 0 ? false : 'this user may not make a mount namespace';

class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'sluice-records-'));
  readonly file = join(this.path, 'records.db');
  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

class Opened implements AsyncDisposable {
  readonly problems: string[] = [];
  readonly records: SqliteRecords;
  constructor(file: string) {
    this.records = new SqliteRecords(file, (message) => this.problems.push(message));
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.records.close();
  }
}

const failure = ({ records }: Opened): string => records.state.failure ?? '';

describe('records in SQLite', () => {
  recordsContract(async () => {
    const folder = new Folder();
    const [one, other] = [
      new SqliteRecords(folder.file, () => undefined),
      new SqliteRecords(folder.file, () => undefined),
    ];
    return {
      one,
      other,
      async [Symbol.asyncDispose]() {
        await one.close();
        await other.close();
        folder[Symbol.dispose]();
      },
    };
  });

  it('are private to this user, and outlive the process', async () => {
    using folder = new Folder();
    writeFileSync(folder.file, '', { mode: 0o644 });
    {
      await using first = new Opened(folder.file);
      await first.records.put('keys', 'a', { kept: true }, null);
      for (const name of ['', '-wal', '-shm'])
        assert.equal(statSync(`${folder.file}${name}`).mode & 0o777, 0o600, name);
    }
    await using second = new Opened(folder.file);
    assert.deepEqual(await second.records.list('keys'), new Map([['a', { kept: true }]]));
    assert.deepEqual(second.problems, []);
  });

  it('say what to do about a file that is no database, and go on once it is gone', async () => {
    using folder = new Folder();
    writeFileSync(folder.file, 'not a database '.repeat(300));
    await using opened = new Opened(folder.file);
    let told = 0;
    opened.records.watch('keys', () => told++);
    await assert.rejects(opened.records.list('keys'), (error: Error) => {
      assert.ok(error instanceof RecordsError);
      assert.match(error.message, /records\.db` is damaged \(.*\): restore it from a backup, or move it/);
      return true;
    });
    await assert.rejects(opened.records.put('keys', 'a', {}, null), RecordsError);
    assert.match(failure(opened), /is damaged/);
    assert.equal(opened.problems.length, 1);
    renameSync(folder.file, `${folder.file}.damaged`);
    await until('the store works', () => opened.records.state.failure === null);
    await until('whoever watches reads again', () => told > 0);
    await opened.records.put('keys', 'a', {}, null);
    assert.match(opened.problems[1] ?? '', /works again/);
  });

  it('notice pages that are damaged, and begin anew with an empty file', async () => {
    using folder = new Folder();
    await using opened = new Opened(folder.file);
    for (let index = 0; index < 200; index++)
      await opened.records.put('keys', `${index}`, { text: 'x'.repeat(500) }, null);
    await opened.records.close();
    const bytes = readFileSync(folder.file);
    bytes.fill(0xff, 4096, bytes.length);
    writeFileSync(folder.file, bytes);
    await using again = new Opened(folder.file);
    await assert.rejects(again.records.list('keys'), /is damaged/);
    truncateSync(folder.file, 0);
    await until('an empty file is a new beginning', () => again.records.list('keys').catch(() => null));
  });

  it('leave a file of a later version alone', async () => {
    using folder = new Folder();
    const database = new DatabaseSync(folder.file);
    database.exec('PRAGMA user_version = 7');
    database.close();
    await using opened = new Opened(folder.file);
    await assert.rejects(opened.records.list('keys'), /written by another version of Sluice \(7\)/);
  });

  it('refuse changes on a full disk, still can be read, and say that a disk is read-only', {
    skip: mountingMissing,
  }, () => {
    using folder = new Folder();
    const script = fileURLToPath(new URL('../../test/fixtures/full-disk.ts', import.meta.url));
    const mounted = `mount -t tmpfs -o size=300k none ${folder.path} && exec "$0" "$@"`;
    const args = ['-rm', 'sh', '-c', mounted, process.execPath, script, folder.path];
    const done = spawnSync('unshare', args, { encoding: 'utf8' });
    assert.equal(done.status, 0, done.stderr);
    const file = `\`${folder.file}\``;
    assert.deepEqual(JSON.parse(done.stdout), {
      before: 'done',
      full: `RecordsError: ${file} cannot be written: the disk is full`,
      listWhenFull: ['a'],
      stateWhenFull: null,
      withRoom: 'done',
      after: ['a', 'c'],
      readOnly: `RecordsError: ${file} cannot be written: this user may not, or the disk is read-only`,
    });
  });

  it('say that the folder is missing, and use it once it is there', async () => {
    using folder = new Folder();
    const file = join(folder.path, 'later', 'records.db');
    await using opened = new Opened(file);
    await assert.rejects(opened.records.list('keys'), /does its folder exist/);
    mkdirSync(join(folder.path, 'later'));
    await until('it works', () =>
      opened.records.put('keys', 'a', {}, null).then(
        () => true,
        () => false,
      ),
    );
  });

  it('do not wait long for another process that holds the lock', async () => {
    using folder = new Folder();
    await using opened = new Opened(folder.file);
    const other = new DatabaseSync(folder.file);
    other.exec('BEGIN IMMEDIATE');
    await assert.rejects(opened.records.put('keys', 'a', {}, null), /locked by another process/);
    assert.equal((await opened.records.list('keys')).size, 0);
    other.exec('COMMIT');
    other.close();
    await opened.records.put('keys', 'a', {}, null);
    assert.deepEqual(opened.problems, []);
  });

  it('ignore what makes no sense, and say so once', async () => {
    using folder = new Folder();
    await using opened = new Opened(folder.file);
    await opened.records.put('keys', 'good', {}, null);
    const other = new DatabaseSync(folder.file);
    for (const [id, value] of [
      ['a', 'not json'],
      ['b', '[]'],
      ['c', 'null'],
      ['d', '"text"'],
    ] as const) {
      other.prepare('INSERT INTO records VALUES (?, ?, ?, NULL)').run('keys', id, value);
    }
    other.close();
    assert.deepEqual([...(await opened.records.list('keys')).keys()], ['good']);
    await opened.records.list('keys');
    assert.equal(opened.problems.length, 4);
    assert.match(opened.problems[0] ?? '', /the record `a` of `keys` makes no sense and is ignored/);
  });

  it('follow a backup that was put in the place of the file', async () => {
    using folder = new Folder();
    const backup = join(folder.path, 'backup.db');
    {
      await using old = new Opened(backup);
      await old.records.put('keys', 'old', {}, null);
    }
    await using opened = new Opened(folder.file);
    await opened.records.put('keys', 'new', {}, null);
    let told = 0;
    opened.records.watch('keys', () => told++);
    renameSync(backup, folder.file);
    await until('it was noticed', () => told > 0 && opened.records.list('keys').then((keys) => keys.has('old')));
  });
});

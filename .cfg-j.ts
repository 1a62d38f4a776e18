import { z } from 'zod';
import { duration, listOf, percent, secret } from './src/plan/fields.ts';
import { toJsonSchema } from './src/config/json-schema.ts';
  const schema = z.strictObject({
    wait: duration().describe('How long to wait.'),
    share: percent().optional(),
    key: secret().optional(),
    workers: z.int().min(1).optional(),
    names: listOf(z.string()).optional(),
  });
console.log(JSON.stringify(toJsonSchema(schema)));

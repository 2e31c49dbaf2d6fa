import * as v from 'valibot';
import { UsageError } from '#base/errors';
import { logoutAll, logout as logoutOf } from '#work/registries';
import { inConfiguration, keeperReport } from './login.ts';
import { registryKeys, registryOptions } from './registry-keys.ts';
import { flag, list, maybeText, text } from './schemas.ts';
import { defineVerb } from './verb.ts';

const report = v.object({
  /** The registry whose credentials were removed; `*` for every registry of the file. */
  registries: list(text),
  removedFrom: keeperReport,
});
export type LogoutReport = v.InferOutput<typeof report>;

/** `logout`: removes the credentials for a registry, or all credentials of a file. */
export const logout = defineVerb({
  request: v.strictObject({
    registry: maybeText,
    all: flag,
    authfile: registryKeys.authfile,
  }),
  report,
  examples: [
    {
      request: { all: true, authfile: '/tmp/auth.json' },
      says: 'Remove all credentials from a file',
    },
  ],
  async run(context, { registry, all = false, ...asked }) {
    if ((registry === undefined) !== all) {
      throw new UsageError('Cannot log out: expected a registry, or --all without one');
    }
    return await inConfiguration(context, registryOptions(asked), async (where) => {
      if (registry === undefined) {
        return { registries: ['*'], removedFrom: { file: logoutAll(where) } };
      }
      const { key, removedFrom } = await logoutOf(where, registry);
      return { registries: [key], removedFrom };
    });
  },
});

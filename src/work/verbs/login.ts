import * as v from 'valibot';
import { UsageError } from '#base/errors';
import {
  ConfigRoot,
  hostEnvironment,
  type LoginContext,
  login as loginAt,
  openRegistryConfiguration,
  type RegistryOptions,
} from '#work/registries';
import { registryKeys, registryOptions } from './registry-keys.ts';
import { maybeText, text } from './schemas.ts';
import { readNamedFile } from './small-file.ts';
import { defineVerb, type VerbContext } from './verb.ts';

const { tlsVerify, authfile, certDir, registriesConf } = registryKeys;
/** Options of a login: where credentials are stored, and how the registry is contacted. */
export const loginKeys = { tlsVerify, authfile, certDir, registriesConf };

/** Where credentials are stored: a file, or a credential helper. */
export const keeperReport = v.union([v.object({ file: text }), v.object({ helper: text })]);

const report = v.object({
  /** Host, or host and namespace, as it was given. */
  registry: text,
  storedIn: keeperReport,
  /** True when credentials existed before. */
  hasReplaced: v.boolean(),
});
export type LoginReport = v.InferOutput<typeof report>;

/** `login`: verifies a name and a password at a registry, and stores them for later requests. */
export const login = defineVerb({
  request: v.strictObject({
    registry: text,
    user: maybeText,
    password: maybeText,
    /** Absolute path of a file that holds the password; one newline at its end does not count. */
    passwordFile: maybeText,
    ...loginKeys,
  }),
  report,
  examples: [
    {
      request: {
        registry: 'localhost:5000',
        user: 'me',
        password: 'secret',
        authfile: '/tmp/auth.json',
      },
      says: 'Store credentials for a registry',
    },
  ],
  async run(context, { registry, user, password, passwordFile, ...asked }) {
    if (user === undefined) {
      throw new UsageError(
        `Cannot log in to "${registry}": expected --username, found none`,
        `Run \`onecopy login --username NAME --password-stdin ${registry}\``,
      );
    }
    if ((password === undefined) === (passwordFile === undefined)) {
      throw new UsageError(
        `Cannot log in to "${registry}": expected one of --password and --password-stdin`,
      );
    }
    const secret = password ?? passwordOf(passwordFile as string);
    const { key, storedIn, hasReplaced } = await inConfiguration(
      context,
      registryOptions(asked),
      (where) => loginAt(where, registry, { user, password: secret }),
    );
    return { registry: key, storedIn, hasReplaced };
  },
});

/** Opens the configuration of registries on this host for one login or logout. */
export async function inConfiguration<Result>(
  { signal, warn }: VerbContext,
  options: RegistryOptions,
  work: (where: LoginContext) => Promise<Result>,
): Promise<Result> {
  using root = ConfigRoot.open(process.cwd());
  const env = hostEnvironment();
  const configuration = await openRegistryConfiguration(root, env, options);
  for (const warning of configuration.warnings) warn(warning);
  return await work({ root, env, configuration, signal });
}

function passwordOf(path: string): string {
  return readNamedFile(path)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}

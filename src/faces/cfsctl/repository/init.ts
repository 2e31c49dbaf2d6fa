import { hasCode } from '#base/errors';
import {
  type ErofsVersion,
  ensureRepository,
  initRepository,
  resetMetadata,
} from '#work/repository';
import type { Setting } from '../setting.ts';
import { algorithmOf, DEFAULT_ALGORITHM } from './values.ts';

/** `init [PATH]` */
export async function init(setting: Setting): Promise<undefined> {
  const { given, signal } = setting;
  const path = given.operands[0] ?? setting.repositoryPath;
  const algorithmId = given.value('algorithm') ?? DEFAULT_ALGORITHM;
  const version = given.value('erofs-version');
  const config = {
    algorithm: algorithmOf(algorithmId),
    formats: {
      default:
        version === undefined ? (setting.erofsVersion ?? 1) : (Number(version) as ErofsVersion),
      extra: [],
    },
    insecure: isInsecure(setting),
  };
  if (given.has('reset-metadata')) await reset(path, signal);
  if (given.has('ensure')) {
    const { repository, outcome } = await ensureRepository(path, config, { signal });
    repository[Symbol.dispose]();
    if (outcome === 'created') await sayCreated(setting, path, algorithmId);
    else if (outcome === 'upgraded') await setting.print(`Upgraded legacy repository at ${path}`);
    else {
      await setting.print(
        `Repository already initialized at ${path} (existing configuration preserved)`,
      );
    }
    return;
  }
  const { repository, created } = await initRepository(path, config, { signal });
  repository[Symbol.dispose]();
  if (created) await sayCreated(setting, path, algorithmId);
  else await setting.print(`Repository already initialized at ${path}`);
}

/** The option means the same before and after the command. */
function isInsecure({ given, globals }: Setting): boolean {
  return given.has('insecure') || globals.has('insecure');
}

async function sayCreated(setting: Setting, path: string, algorithmId: string): Promise<void> {
  await setting.print(
    `Initialized composefs repository at ${path}`,
    `  algorithm: ${algorithmId}`,
    `  verity:    ${isInsecure(setting) ? 'not required (insecure)' : 'required'}`,
  );
}

async function reset(path: string, signal: AbortSignal): Promise<void> {
  try {
    await resetMetadata(path, { signal });
  } catch (error) {
    if (!hasCode(error, 'REPO_NOT_FOUND')) throw error;
  }
}

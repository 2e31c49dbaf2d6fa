import { type Dirent, readdirSync } from 'node:fs';
import { isOnecopyError, UsageError } from '#base/errors';
import { listCommitRefs } from '#work/commits';
import { listOciImages } from '#work/image';
import type { Repository } from '#work/repository';
import { completeWord } from './arguments/complete.ts';
import { Given, type ValueKind } from './arguments/spec.ts';
import { COMPLETION_SCRIPTS } from './completion-scripts.ts';
import { PROGRAM } from './program.ts';
import { Setting, type Surroundings } from './setting.ts';

/** What stands between two candidates, unless the shell asks for something else. */
const SEPARATOR = '\n';

/**
 * Answers a shell that completes: with words behind `--`, what the one at the cursor may become; without, the script for the shell.
 * Source: composefs-rs 0.9.4, recorded in cli/env-completion.
 * @param shell value of COMPLETE
 * @throws UsageError for an unknown shell
 */
export async function complete(
  shell: string,
  argv: readonly string[],
  around: Surroundings,
): Promise<void> {
  const script = COMPLETION_SCRIPTS.get(shell);
  if (script === undefined) {
    const known = [...COMPLETION_SCRIPTS.keys()].map((name) => `\`${name}\``).join(', ');
    throw new UsageError(`unknown shell \`${shell}\`, expected one of ${known}`);
  }
  const dashes = argv.indexOf('--');
  if (dashes < 0) {
    await around.write(script);
    return;
  }
  const { environment } = around;
  const [, ...words] = argv.slice(dashes + 1);
  const index = Number(environment['_CLAP_COMPLETE_INDEX'] ?? words.length);
  const until = [...words.slice(0, index - 1), words[index - 1] ?? ''];
  const found = await candidates(until, around);
  await around.write(found.join(environment['_CLAP_IFS'] ?? SEPARATOR));
}

async function candidates(words: readonly string[], around: Surroundings): Promise<string[]> {
  const { words: fixed, kind, before } = completeWord(PROGRAM, words);
  const word = (words.at(-1) ?? '').slice(before.length);
  const found = kind === undefined ? [] : await valuesOf(kind, words, word, around);
  return [...found.filter((one) => one.startsWith(word)), ...fixed].map((one) => before + one);
}

async function valuesOf(
  kind: ValueKind,
  words: readonly string[],
  word: string,
  around: Surroundings,
): Promise<readonly string[]> {
  if (kind === 'directory' || kind === 'file' || kind === 'path') return pathsOf(kind, word);
  try {
    using repository = await new Setting('', globalsIn(words), new Given(), around).open();
    return namesIn(repository, kind).filter(isPlain);
  } catch (error) {
    // Completion reports no errors.
    if (isOnecopyError(error)) return [];
    throw error;
  }
}

/** Paths that a word may become; folders end with a slash. Only a plain `directory` or `path` may be this folder. */
function pathsOf(kind: 'directory' | 'file' | 'path', word: string): string[] {
  const folder = word.slice(0, word.lastIndexOf('/') + 1);
  const isHidden = (name: string) =>
    name.startsWith('.') && !word.slice(folder.length).startsWith('.');
  const entries = entriesOf(folder === '' ? '.' : folder).filter(({ name }) => !isHidden(name));
  const paths = entries.flatMap((entry) => {
    if (entry.isDirectory()) return [`${folder}${entry.name}/`];
    return kind === 'directory' ? [] : [`${folder}${entry.name}`];
  });
  const here = kind !== 'file' && word === '' ? ['.'] : [];
  return [...here, ...paths.sort()].filter(isPlain);
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

function namesIn(repository: Repository, kind: ValueKind): string[] {
  const both = (names: readonly { readonly name: string }[]) =>
    names.flatMap(({ name }) => [name, `refs/${name}`]);
  switch (kind) {
    case 'oci':
      return listOciImages(repository).flatMap((row) => [row.name, row.manifestDigest]);
    case 'oci-tag':
      return listOciImages(repository).map(({ name }) => name);
    case 'oci-digest':
      return listOciImages(repository).map((row) => row.manifestDigest);
    case 'image':
      return both(repository.refs.list('images'));
    case 'stream':
      return both(repository.refs.list('streams'));
    case 'commit':
      return listCommitRefs(repository).map(({ name }) => name);
    default:
      return [];
  }
}

/** The repository that words select, as they stand before a command line is whole. */
function globalsIn(words: readonly string[]): Given {
  const given = new Given();
  for (const [index, word] of words.entries()) {
    if (word === '--user' || word === '--system') given.flags.add(word.slice(2));
    const path = word === '--repo' ? words[index + 1] : /^--repo=(.*)$/.exec(word)?.[1];
    if (path !== undefined) given.values.set('repo', [path]);
  }
  return given;
}

/** False for what a shell or a terminal would take for more than text: scripts expand candidates. */
function isPlain(name: string): boolean {
  return /^[\p{L}\p{N}\w./:@%+=,~-]+$/u.test(name);
}

import type { Argument, Option, RootCommand } from '@bomb.sh/tab';
import type { Command } from 'commander';
import { isOnecopyError, UsageError } from '#base/errors';
import { stdout } from '#faces/terminal';
import { listNamed } from '#work/catalog';
import { openChosen, type Repository } from '#work/repository';
import { BASH_SCRIPT } from './bash-completion.ts';
import { type GlobalOptions, selectionOf } from './globals.ts';
import { GRAMMARS } from './grammar/table.ts';
import { PROGRESS_MODES } from './progress.ts';
import { longFlagOf } from './request.ts';

/** Directives for the scripts: complete files if there is no candidate, or do not. */
const FILES = 0;
const NO_FILES = 4;
const SHELLS: readonly string[] = ['bash', 'zsh', 'fish'];

/**
 * Adds `completion SHELL` (prints the script for a shell) and the hidden `complete -- WORDS` that the script calls.
 * @param words the whole command line; with `complete` in front, the names of the repository it selects are offered
 */
export async function addCompletion(program: Command, words: readonly string[]): Promise<void> {
  if (words[0] === 'completion' && words[1] === 'bash') {
    program.command('completion <shell>').action(() => stdout.write(BASH_SCRIPT));
    return;
  }
  const shell = words[1];
  if (words[0] === 'completion' && shell !== undefined && !shell.startsWith('-')) {
    requireShell(shell);
  }
  const { default: tab } = await import('@bomb.sh/tab/commander');
  // The library writes to the stream itself.
  void stdout.stream;
  const root = tab(program, { completionCommandName: 'completion' });
  if (words[0] === 'complete') offer(root, await namesFor(words.slice(1)));
}

function requireShell(shell: string): void {
  if (SHELLS.includes(shell)) return;
  throw new UsageError(
    `Cannot print a completion script: expected ${SHELLS.join(', ')}, found "${shell}"`,
  );
}

function offer(root: RootCommand, known: KnownNames): void {
  let directive = NO_FILES;
  const files = () => {
    directive = FILES;
  };
  // The library always disables the completion of files. This property overrides that.
  Object.defineProperty(root, 'directive', { get: () => directive, set: () => {} });
  const answer = (target: Argument | Option, kind: string | undefined) => {
    if (kind === 'files') target.handler = files;
    else if (kind === 'names') setHandler(target, known.all);
    else if (kind === 'commits') setHandler(target, known.commits);
    else if (kind === 'names:/') {
      setHandler(
        target,
        known.all.map((name) => `${name}:/`),
      );
    }
  };
  for (const [option, values] of [['progress', PROGRESS_MODES]] as const) {
    for (const command of [root, ...root.commands.values()]) {
      const target = command.options.get(option);
      if (target !== undefined) setHandler(target, values);
    }
  }
  const repo = root.options.get('repo');
  if (repo !== undefined) answer(repo, 'files');
  for (const [verb, command] of root.commands) {
    const { operands = [], options = [] } = GRAMMARS[verb] ?? {};
    const places = [...command.arguments.values()];
    for (const [at, { completes }] of operands.entries()) {
      const place = places[at];
      if (place !== undefined) answer(place, completes);
    }
    for (const option of options) {
      const target = command.options.get(longFlagOf(option).slice('--'.length));
      if (target === undefined) continue;
      if (option.values !== undefined) setHandler(target, option.values);
      else answer(target, option.completes);
    }
  }
}

function setHandler(target: Argument | Option, values: readonly string[]): void {
  target.handler = (complete) => {
    for (const value of values) complete(value, '');
  };
}

/** Names that a repository holds. */
interface KnownNames {
  readonly all: readonly string[];
  readonly commits: readonly string[];
}

/** Names in the repository that the words select; none when the repository cannot be read, because completion reports no errors. */
async function namesFor(words: readonly string[]): Promise<KnownNames> {
  try {
    using repository = await openChosen(selectionOf(optionsIn(words)), {
      timeoutMs: 0,
    });
    return namesIn(repository, words.at(-1) ?? '');
  } catch (error) {
    if (isOnecopyError(error)) return { all: [], commits: [] };
    throw error;
  }
}

/** Ids are offered only if the word looks like a prefix of an id: otherwise they would hide the names. */
function namesIn(repository: Repository, word: string): KnownNames {
  const rows = listNamed(repository);
  const isIdLike = /^@?(?:sha256:)?[0-9a-f]{2,}$/.test(word);
  const all = rows.map((row) => (row.kind === 'erofs' ? `refs/${row.name}` : row.name));
  const commits = rows.filter(({ kind }) => kind === 'commit').map(({ name }) => name);
  if (!isIdLike) return { all: all.filter(isOffered), commits: commits.filter(isOffered) };
  const digests = rows.flatMap((row) => {
    if (row.kind === 'index') return [row.indexDigest];
    return row.kind === 'image' ? [row.manifestDigest] : [];
  });
  const checksums = rows.flatMap((row) => ('commit' in row ? [row.commit] : []));
  const images = rows.flatMap((row) => ('imageId' in row ? [row.imageId ?? ''] : []));
  const spelled = digests.flatMap((digest) => [digest, `@${digest}`, digest.replace(/^\w+:/, '')]);
  const ids = [...new Set([...spelled, ...checksums, ...images])].filter((id) => id !== '');
  return {
    all: [...all, ...ids].filter(isOffered),
    commits: [...commits, ...checksums].filter(isOffered),
  };
}

/**
 * False for names with characters that are special to a shell or a terminal. The shell scripts expand candidates, so a hostile name from an
 * image would be executed when the user presses the tab key.
 */
function isOffered(name: string): boolean {
  return /^[\p{L}\p{N}\w./:@%+=,-]+$/u.test(name);
}

function optionsIn(words: readonly string[]): GlobalOptions {
  const at = words.findIndex((word) => word === '--repo' || word.startsWith('--repo='));
  const word = words[at] ?? '';
  const repo = word.includes('=') ? word.slice(word.indexOf('=') + 1) : words[at + 1];
  return {
    ...(at >= 0 && repo !== undefined ? { repo } : {}),
    user: words.includes('--user'),
    system: words.includes('--system'),
  };
}

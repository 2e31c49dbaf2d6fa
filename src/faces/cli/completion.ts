import type { Argument, RootCommand } from '@bomb.sh/tab';
import type { Command } from 'commander';
import { isOnecopyError } from '#base/errors';
import { listOciImages } from '#work/image';
import { openChosen } from '#work/repository';
import { type GlobalOptions, selectionOf } from './context.ts';

/** Operands that are names of images in the repository. */
const NAME_OPERANDS: readonly string[] = ['name'];

/**
 * Adds `completion SHELL` (prints the script for a shell) and the hidden `complete -- WORDS` that the script calls.
 * @param words the whole command line; with `complete` in front, the names of the repository it selects are offered
 */
export async function addCompletion(program: Command, words: readonly string[]): Promise<void> {
  const { default: tab } = await import('@bomb.sh/tab/commander');
  const root = tab(program, { completionCommandName: 'completion' });
  if (words[0] === 'complete') offerNames(root, await namesFor(words.slice(1)));
}

function offerNames(root: RootCommand, names: readonly string[]): void {
  for (const command of root.commands.values()) {
    for (const argument of command.arguments.values()) {
      if (NAME_OPERANDS.includes(argument.name)) setHandler(argument, names);
    }
  }
}

function setHandler(argument: Argument, names: readonly string[]): void {
  argument.handler = (complete) => {
    for (const name of names) complete(name, '');
  };
}

/** Names in the repository that the words select; none when it cannot be read: completion never complains. */
async function namesFor(words: readonly string[]): Promise<readonly string[]> {
  try {
    using repository = await openChosen(selectionOf(optionsIn(words)), { timeoutMs: 0 });
    return listOciImages(repository).map(({ name }) => name);
  } catch (error) {
    if (isOnecopyError(error)) return [];
    throw error;
  }
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

import type { Argument, Option, RootCommand } from '@bomb.sh/tab';
import type { Command } from 'commander';
import { isOnecopyError } from '#base/errors';
import { stdout } from '#faces/terminal';
import { listOciImages } from '#work/image';
import { openChosen } from '#work/repository';
import { type GlobalOptions, PROGRESS_MODES, selectionOf } from './context.ts';

/** Operands that are names of images in the repository, as `usage` in the table of verbs calls them. */
const NAME_OPERANDS: readonly string[] = ['name', 'other-name'];
/** Operands that are names of OSTree commits. */
const COMMIT_OPERANDS: readonly string[] = ['commit', 'other-commit'];
/** Operands and options that are files or folders: the shell completes them. */
const PATH_OPERANDS: readonly string[] = ['reference', 'directory', 'destination', 'path'];
const PATH_OPTIONS: readonly string[] = [
  'repo',
  'plan',
  'apply',
  'upper',
  'work',
  'summary',
  'summary-signatures',
];
/** Verbs whose `path` lies inside an image, where the shell knows nothing. */
const IMAGE_PATH_VERBS: readonly string[] = ['ls', 'tree', 'cat', 'stat', 'find'];
const OPTION_VALUES: Readonly<Record<string, readonly string[]>> = {
  progress: PROGRESS_MODES,
  compression: ['none', 'gzip', 'zstd'],
  algorithm: ['fsverity-sha512-12', 'fsverity-sha256-12'],
  'erofs-version': ['0', '1', '2'],
};

/** Directives that the scripts understand: the shell's own file completion when nothing is offered, or none. */
const FILES = 0;
const NO_FILES = 4;

/**
 * Adds `completion SHELL` (prints the script for a shell) and the hidden `complete -- WORDS` that the script calls.
 * @param words the whole command line; with `complete` in front, the names of the repository it selects are offered
 */
export async function addCompletion(program: Command, words: readonly string[]): Promise<void> {
  const { default: tab } = await import('@bomb.sh/tab/commander');
  // The library writes to the stream itself.
  const { stream } = stdout;
  const root = tab(program, { completionCommandName: 'completion' });
  if (words[0] === 'complete') offer(root, await namesFor(words.slice(1)));
  else if (words[1] === 'bash') process.once('exit', () => stream.write(BASH_MORE));
}

function offer(root: RootCommand, { names, commits }: KnownNames): void {
  let directive = NO_FILES;
  const files = () => {
    directive = FILES;
  };
  // The library always forbids the completion of files; the last word on that is ours.
  Object.defineProperty(root, 'directive', { get: () => directive, set: () => {} });
  for (const [verb, command] of [['', root] as const, ...root.commands]) {
    for (const option of command.options.values()) {
      const values = OPTION_VALUES[option.value];
      if (values !== undefined) setHandler(option, values);
      else if (PATH_OPTIONS.includes(option.value)) option.handler = files;
    }
    for (const argument of command.arguments.values()) {
      if (NAME_OPERANDS.includes(argument.name)) setHandler(argument, names);
      else if (COMMIT_OPERANDS.includes(argument.name)) setHandler(argument, commits);
      else if (argument.name === 'name:path')
        setHandler(
          argument,
          names.map((name) => `${name}:/`),
        );
      else if (IMAGE_PATH_VERBS.includes(verb)) continue;
      else if (PATH_OPERANDS.includes(argument.name)) argument.handler = files;
    }
  }
}

function setHandler(target: Argument | Option, values: readonly string[]): void {
  target.handler = (complete) => {
    for (const value of values) complete(value, '');
  };
}

/** What a repository can be asked about. */
interface KnownNames {
  readonly names: readonly string[];
  /** Refs of commits; looked up for the verbs of `ostree` only. */
  readonly commits: readonly string[];
}

/** Names in the repository that the words select; none when it cannot be read: completion never complains. */
async function namesFor(words: readonly string[]): Promise<KnownNames> {
  try {
    using repository = await openChosen(selectionOf(optionsIn(words)), {
      timeoutMs: 0,
    });
    const names = listOciImages(repository)
      .map(({ name }) => name)
      .filter(isOffered);
    if (!words.includes('ostree')) return { names, commits: [] };
    const { listCommitRefs } = await import('#work/commits');
    return {
      names,
      commits: listCommitRefs(repository)
        .map(({ name }) => name)
        .filter(isOffered),
    };
  } catch (error) {
    if (isOnecopyError(error)) return { names: [], commits: [] };
    throw error;
  }
}

/**
 * False for names with characters that mean something to a shell or a terminal: the scripts of shells expand what they are offered, so
 * such a name, which an image brought, would be run when somebody presses the tab key.
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

/**
 * What the library's script for bash lacks: it works without the package bash-completion, completes names with a colon, at which
 * bash breaks words, and falls back to files.
 */
const BASH_MORE = String.raw`
# Words of the command line with those joined again that bash broke at = and :, when bash-completion is not loaded
if ! declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref() {
        local i word joined=() current=0
        for ((i = 0; i < \${#COMP_WORDS[@]}; i++)); do
            word=\${COMP_WORDS[i]}
            if ((i > 1)) && [[ $word == [:=]* || \${COMP_WORDS[i-1]} == *[:=] ]] && [[ -n $word ]]; then
                joined[-1]+=$word
            else
                joined+=("$word")
            fi
            ((i <= COMP_CWORD)) && current=$((\${#joined[@]} - 1))
        done
        words=("\${joined[@]}") cword=$current cur=\${joined[current]} prev=\${joined[current > 0 ? current - 1 : 0]}
    }
fi

__onecopy_complete_words() {
    __onecopy_complete
    local cur prev words cword colon i
    _get_comp_words_by_ref -n "=:" cur prev words cword
    [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]] || return 0
    colon=\${cur%"\${cur##*:}"}
    for i in "\${!COMPREPLY[@]}"; do COMPREPLY[i]=\${COMPREPLY[i]#"$colon"}; done
}
complete -o default -F __onecopy_complete_words onecopy
`.replaceAll('\\${', '${');

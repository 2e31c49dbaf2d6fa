/** What `mutate.ts` changes: areas, changes that have a name because they once passed, and the ways in which any line is changed. */

/** Files that guard something, and the tests that must see when they do so no more. */
export interface Area {
  /** Folders, without those in them, and files. */
  readonly sources: readonly string[];
  readonly tests: readonly string[];
}

const PARTIAL = ['src', 'work', 'pull-partial'].join('/');

export const AREAS: Readonly<Record<string, Area>> = {
  gc: {
    sources: ['src/stores/composefs/garbage'],
    tests: ['src/stores/composefs/garbage'],
  },
  objects: {
    sources: [
      'src/host/files/publish.ts',
      'src/host/files/tmpfile.ts',
      'src/stores/composefs/objects/file-batch.ts',
      'src/stores/composefs/objects/object-writer.ts',
      'src/stores/composefs/objects/verity.ts',
    ],
    tests: ['src/host/files', 'src/stores/composefs/objects'],
  },
  http: {
    sources: ['src/remotes/http'],
    tests: ['src/remotes/http'],
  },
  inflate: {
    sources: ['src/host/accelerate/inflate.ts'],
    tests: ['src/host/accelerate/inflate.test.ts'],
  },
  trust: {
    sources: ['src/work/pull-commit/trust'],
    tests: ['src/work/pull-commit/trust', 'test/interop/ostree-keys.test.ts'],
  },
  unpack: {
    sources: ['src/work/ingest/unpack'],
    tests: ['src/work/ingest/unpack'],
  },
  partial: {
    sources: [PARTIAL, `${PARTIAL}/hash`],
    tests: [PARTIAL],
  },
  credentials: {
    sources: [
      'src/remotes/registry/access.ts',
      'src/remotes/registry/challenge.ts',
      'src/remotes/registry/host.ts',
      'src/remotes/registry/scope.ts',
      'src/remotes/registry/token.ts',
    ],
    tests: ['src/remotes/registry'],
  },
  leases: {
    sources: [
      'src/stores/composefs/garbage/leased.ts',
      'src/stores/composefs/repository/held-lock.ts',
      'src/stores/composefs/repository/leases.ts',
    ],
    tests: ['src/stores/composefs/repository', 'src/stores/composefs/garbage'],
  },
};

/** A changed file. */
export interface Change {
  readonly path: string;
  /** Number of the line that is changed, from 1. */
  readonly line: number;
  readonly what: string;
  /** The whole file with the change in it. */
  readonly text: string;
}

/** A change that is made by its text. */
export interface NamedChange {
  readonly area: string;
  readonly path: string;
  readonly what: string;
  readonly from: string;
  readonly to: string;
}

export const NAMED: readonly NamedChange[] = [
  {
    area: 'gc',
    path: 'src/stores/composefs/garbage/reach.ts',
    what: 'a lost stream keeps no artifact about it',
    from: 'if (this.lostStreams.includes(stream)) return true;',
    to: '',
  },
  {
    area: 'gc',
    path: 'src/stores/composefs/garbage/reach.ts',
    what: 'a dangling name is not a lost stream',
    from: "if (category === 'streams') this.lostStreams.push(name);",
    to: "if (category === 'streams') return;",
  },
  {
    area: 'gc',
    path: 'src/stores/composefs/garbage/reach.ts',
    what: 'a dangling label is not a lost stream',
    from: 'this.lostStreams.push(name);\n    return [];',
    to: 'return [];',
  },
  {
    area: 'gc',
    path: 'src/stores/composefs/garbage/gc.ts',
    what: 'what lost streams meant is not looked for',
    from: 'await rescueLostStreams(repository, marker)',
    to: '([] as Finding[])',
  },
  {
    area: 'gc',
    path: 'src/stores/composefs/garbage/gc.ts',
    what: 'what came since the plan is not kept',
    from: 'const kept = since.flatMap((link) => entryOf(repository, link));',
    to: 'const kept: Entry[] = []; void since; void entryOf;',
  },
  {
    area: 'http',
    path: 'src/remotes/http/request.ts',
    what: 'another host gets authorization',
    from: "new Set(['accept',",
    to: "new Set(['authorization', 'accept',",
  },
  {
    area: 'http',
    path: 'src/remotes/http/client.ts',
    what: 'another host is no stranger',
    from: 'if (url.origin !== asked.origin) foreign = asked;',
    to: '',
  },
  {
    area: 'inflate',
    path: 'src/host/accelerate/inflate.ts',
    what: 'bits that were taken too many are not given back',
    from: 'usedBytes -= Math.floor(view.getInt32(STATE.readInLength, true) / 8);',
    to: '',
  },
];

/** @throws Error when the file has the text no more, or more than once */
export function namedChange({ path, what, from, to }: NamedChange, text: string): Change {
  const at = text.indexOf(from);
  if (at < 0 || text.indexOf(from, at + 1) >= 0) {
    throw new Error(`${path} must have this once: ${from}`);
  }
  const line = text.slice(0, at).split('\n').length;
  return { path, line, what, text: text.slice(0, at) + to + text.slice(at + from.length) };
}

/** A way to change a line; each match is a change. */
interface Operator {
  readonly what: string;
  readonly pattern: RegExp;
  readonly to: string;
}

const OPERATORS: readonly Operator[] = [
  {
    what: 'condition negated',
    pattern: /^(\s*(?:\} else )?if )\((.*)\)( \{| [^{].*;)$/g,
    to: '$1(!($2))$3',
  },
  { what: 'condition negated', pattern: /(?<== |return )([^=?]+)(?= \? )/g, to: '!($1)' },
  { what: 'check dropped', pattern: /^\s*if \(.*\) (?:throw|return|refuse).*;$/g, to: '' },
  {
    what: 'check dropped',
    pattern:
      /^\s*(?:await )?[\w.#]*(?:verify|require|check|ensure|assert|throwIf|fsync|refuse)[\w?.]*\(.*\);$/gi,
    to: '',
  },
  { what: 'off by one', pattern: / > /g, to: ' >= ' },
  { what: 'off by one', pattern: / < /g, to: ' <= ' },
  { what: 'off by one', pattern: / >= /g, to: ' > ' },
  { what: 'off by one', pattern: / <= /g, to: ' < ' },
  { what: 'and for or', pattern: / \|\| /g, to: ' && ' },
  { what: 'or for and', pattern: / && /g, to: ' || ' },
  { what: 'equal for unequal', pattern: / !== /g, to: ' === ' },
  { what: 'unequal for equal', pattern: / === /g, to: ' !== ' },
  { what: 'true for false', pattern: /(?<=return |= )false(?=;)/g, to: 'true' },
  { what: 'false for true', pattern: /(?<=return |= )true(?=;)/g, to: 'false' },
];

/** Lines without a decision: comments, imports, types. */
const NO_CODE = /^\s*(?:\/\/|\/?\*|import |export \{|\| |export type |type )/;

/** Every change that the operators make in a file, in order of lines. */
export function changesOf(path: string, text: string): readonly Change[] {
  const lines = text.split('\n');
  return lines.flatMap((line, index) => {
    if (NO_CODE.test(line)) return [];
    return OPERATORS.flatMap(({ what, pattern, to }) => {
      return [...line.matchAll(pattern)].map((match): Change => {
        const changed = to.replace(/\$([0-9])/g, (_, group: string) => match[Number(group)] ?? '');
        const end = match.index + match[0].length;
        const after = line.slice(0, match.index) + changed + line.slice(end);
        const shown = changed.trim() === '' ? line.trim() : after.trim();
        const whole = lines.with(index, after).join('\n');
        return { path, line: index + 1, what: `${what}: ${shown}`, text: whole };
      });
    });
  });
}

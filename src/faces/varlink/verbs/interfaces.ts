import type { VarlinkInterface } from '#formats/varlink';
import { optionName, VERBS, type Verb, type VerbRow } from '#work/verbs';
import type { ServedInterface } from '../serve/service.ts';
import { errorMembers, explainBy, type ParameterNames } from './errors.ts';
import {
  inputOfVerb,
  methodOf,
  outputOfVerb,
  type VerbMethod,
  type VerbService,
} from './method.ts';

/** A method with its verb. */
interface MethodRow {
  readonly verb: string;
  readonly preset?: Readonly<Record<string, unknown>>;
}

/** Verbs for images that also apply to OSTree commits, in addition to OSTree's own verbs. Source: ostree section 9.8. */
const OSTREE_MORE: Readonly<Record<string, MethodRow>> = {
  Inspect: { verb: 'inspect' },
  List: { verb: 'images', preset: { kind: 'commit' } },
  Tag: { verb: 'tag' },
  Untag: { verb: 'untag' },
  ComputeId: { verb: 'image id' },
  Dump: { verb: 'image dump' },
  Mount: { verb: 'mount' },
  Verify: { verb: 'fsck' },
};

const COMMENT = [
  'Parameters are those of the verbs of onecopy, with the repository: a handle of org.composefs.Repository, a path, or a',
  'scope. Relative paths are those of the service. A path may be fd:N, the descriptor N of the call.',
  'With "more", progress and warnings come first; the last reply has the report. Contents are in base64, and need "more".',
];

/** `org.onecopy.Images` and `org.onecopy.Ostree`: every verb as a method. */
export async function verbInterfaces(service: VerbService): Promise<readonly ServedInterface[]> {
  const ostree: Record<string, MethodRow> = { ...OSTREE_MORE };
  const images: Record<string, MethodRow> = {};
  for (const { name, group } of VERBS) {
    if (group === 'ostree') ostree[methodName(name.replace(/^ostree /, ''))] = { verb: name };
    else images[methodName(name)] = { verb: name };
  }
  return [
    await serveVerbs('org.onecopy.Images', images, service),
    await serveVerbs('org.onecopy.Ostree', ostree, service),
  ];
}

/** Returns `ImageDump` for `image dump`. */
function methodName(verb: string): string {
  return verb
    .split(/[ -]/)
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('');
}

async function serveVerbs(
  name: string,
  rows: Readonly<Record<string, MethodRow>>,
  service: VerbService,
): Promise<ServedInterface> {
  const loaded = await Promise.all(
    Object.entries(rows).map(async ([method, { verb, preset = {} }]) => {
      const row = rowOf(verb);
      const one: VerbMethod = { verb: await row.load(), name: verb, preset };
      return { method, row, one };
    }),
  );
  const members = loaded.map(({ method, row, one }) => ({
    kind: 'method' as const,
    name: method,
    comment: [`${row.summary.slice(0, 1).toUpperCase()}${row.summary.slice(1)}.`],
    input: inputOfVerb(one),
    output: outputOfVerb(one),
  }));
  const names = parameterNames(loaded.map(({ one }) => one.verb));
  const described: VarlinkInterface = {
    name,
    comment: COMMENT,
    members: [...members, ...errorMembers()],
  };
  return {
    described,
    methods: Object.fromEntries(loaded.map(({ method, one }) => [method, methodOf(one, service)])),
    explain: (error) => explainBy(name, error, names),
  };
}

/** How the options of the verbs are called as parameters. */
function parameterNames(verbs: readonly Verb[]): ParameterNames {
  const names = new Map([
    ['--repo', 'repository'],
    ['--dry-run', 'dryRun'],
  ]);
  for (const { request } of verbs) {
    const { entries = {} } = request as unknown as { readonly entries?: object };
    for (const key of Object.keys(entries)) names.set(optionName(key), key);
  }
  return names;
}

function rowOf(verb: string): VerbRow {
  const row = VERBS.find(({ name }) => name === verb);
  if (row === undefined) throw new TypeError(`there is no verb ${verb}`);
  return row;
}

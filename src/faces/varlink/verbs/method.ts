import type { ProgressEvent } from '#base/flow';
import type { VarlinkStruct, VarlinkType } from '#formats/varlink';
import { locateRepository, type RepositoryChoice } from '#work/repository';
import type { Verb, VerbContext } from '#work/verbs';
import { Frames } from '../serve/frames.ts';
import type { OpenRepositories, Use } from '../serve/repositories.ts';
import type { Answer, Method, MethodCall } from '../serve/service.ts';
import { standardError } from '../serve/standard.ts';
import { optional, type Schema, structOf, typeOf } from './schema-types.ts';

/** A loaded verb, as a method. */
export interface VerbMethod {
  readonly verb: Verb;
  /** Name of the verb. */
  readonly name: string;
  /** Keys of the request that the method sets itself. */
  readonly preset: Readonly<Record<string, unknown>>;
}

/** Context of a service of verbs. */
export interface VerbService {
  readonly repositories: OpenRepositories;
  /** The repository of calls that select none. */
  readonly fallback: RepositoryChoice;
  readonly requireVerity: boolean;
}

const PROGRESS: VarlinkStruct = {
  kind: 'struct',
  fields: [
    {
      name: 'event',
      type: { kind: 'enum', values: ['started', 'progress', 'skipped', 'done', 'message'] },
    },
    { name: 'component', type: optional({ kind: 'string' }) },
    { name: 'unit', type: optional({ kind: 'enum', values: ['bytes', 'items'] }) },
    { name: 'done', type: optional({ kind: 'int' }) },
    { name: 'total', type: optional({ kind: 'int' }) },
    { name: 'text', type: optional({ kind: 'string' }) },
  ],
};

const CHOICE: Readonly<Record<string, VarlinkType>> = {
  handle: { kind: 'int' },
  repository: { kind: 'string' },
  scope: { kind: 'enum', values: ['user', 'system'] },
};

/** The parameters of a method: the repository, and the request of the verb. */
export function inputOfVerb({ verb, preset }: VerbMethod): VarlinkStruct {
  const choice = Object.entries(CHOICE).map(([name, type]) => ({ name, type: optional(type) }));
  const plan =
    verb.plan === undefined ? [] : [{ name: 'dryRun', type: optional({ kind: 'bool' }) }];
  const request = structOf(verb.request as unknown as Schema).fields;
  return {
    kind: 'struct',
    fields: [...choice, ...plan, ...request.filter(({ name }) => !(name in preset))],
  };
}

/** The replies of a method: events and contents of files, then the report. */
export function outputOfVerb({ verb }: VerbMethod): VarlinkStruct {
  const contents =
    verb.givesContents === undefined
      ? []
      : [{ name: 'contents', type: optional({ kind: 'string' }) }];
  return {
    kind: 'struct',
    fields: [
      { name: 'progress', type: optional(PROGRESS) },
      { name: 'warning', type: optional({ kind: 'string' }) },
      ...contents,
      { name: 'report', type: optional(typeOf(verb.report as unknown as Schema)) },
    ],
  };
}

/** Creates the method of a verb. */
export function methodOf(one: VerbMethod, service: VerbService): Method {
  const use = useOf(one);
  return { isLong: use !== 'short', run: (call) => run(one, use, service, call) };
}

/** Verbs that change nothing, but read more than a few files. */
const LONG: readonly string[] = ['fsck', 'df', 'why', 'diff', 'find', 'image id', 'image dump'];

function useOf({ verb, name }: VerbMethod): Use {
  if (name === 'gc') return 'alone';
  return verb.plan !== undefined || LONG.includes(name) ? 'long' : 'short';
}

async function run(
  { verb, preset }: VerbMethod,
  use: Use,
  service: VerbService,
  call: MethodCall,
): Promise<Answer> {
  const { handle, repository, scope, dryRun, ...rest } = call.parameters;
  const choice = choiceOf(service, { handle, repository, scope });
  const given = withoutNull(placeFiles({ ...rest, ...preset }, call));
  const request = verb.parse(given) as Readonly<Record<string, unknown>>;
  if (verb.givesContents?.(request) === true && !call.more) throw standardError('ExpectedMore');
  const frames = new Frames(call);
  const context = contextOf(service, choice, call, frames);
  using _passed = await service.repositories.gate(locateRepository(choice), use, call.signal);
  const isPlan = dryRun === true && verb.plan !== undefined;
  const report = await (isPlan ? verb.plan?.(context, request) : verb.run(context, request));
  await frames.flush();
  return { parameters: { report } };
}

function choiceOf(
  { repositories, fallback }: VerbService,
  { handle, repository, scope }: Readonly<Record<string, unknown>>,
): RepositoryChoice {
  const given = [handle, repository, scope].filter(
    (value) => value !== undefined && value !== null,
  );
  if (given.length > 1) throw standardError('InvalidParameter', { parameter: 'repository' });
  if (typeof handle === 'number') {
    const path = repositories.pathOf(handle);
    if (path === undefined) throw standardError('InvalidParameter', { parameter: 'handle' });
    return { path };
  }
  if (typeof repository === 'string') return { path: repository };
  if (given.length === 0) return fallback;
  return { user: scope === 'user', system: scope === 'system' };
}

function contextOf(
  { requireVerity }: VerbService,
  repository: RepositoryChoice,
  call: MethodCall,
  frames: Frames,
): VerbContext {
  let warnings = 0;
  return {
    repository,
    signal: call.signal,
    onProgress: (event) =>
      frames.add(`${event.type} ${'id' in event ? event.id : event.text}`, frameOf(event)),
    jobs: undefined,
    mayInit: true,
    requireVerity,
    warn: (warning) => {
      warnings += 1;
      if (warnings <= WARNINGS_MAX) frames.add(`warning ${warnings}`, { warning });
    },
    detail: () => {},
    write: async (piece) => {
      await frames.flush();
      await call.send({ parameters: { contents: Buffer.from(piece).toString('base64') } });
    },
  };
}

/** Maximum number of warnings of one call; more are dropped. */
const WARNINGS_MAX = 1000;

function frameOf(event: ProgressEvent): { readonly progress: Readonly<Record<string, unknown>> } {
  switch (event.type) {
    case 'note':
      return { progress: { event: 'message', text: event.text } };
    case 'started': {
      const { id, unit, total } = event;
      return { progress: { event: 'started', component: id, unit, total } };
    }
    case 'advanced':
      return {
        progress: { event: 'progress', component: event.id, done: event.done, total: event.total },
      };
    case 'skipped':
      return { progress: { event: 'skipped', component: event.id } };
    case 'done':
      return { progress: { event: 'done', component: event.id, done: event.transferred } };
  }
}

/** `fd:0`, also after a transport such as `oci:`. */
const FILE = /^((?:[a-z-]+:)?)fd:(\d{1,3})$/;

/** Replaces numbers of passed descriptors by their paths, for example `fd:0` for the first one. */
function placeFiles(value: unknown, call: MethodCall): unknown {
  if (call.files.length === 0) return value;
  if (Array.isArray(value)) return value.map((part) => placeFiles(part, call));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, part]) => [key, placeFiles(part, call)]),
    );
  }
  const [, before = '', index] = typeof value === 'string' ? (FILE.exec(value) ?? []) : [];
  const file = index === undefined ? undefined : call.files[Number(index)];
  return file === undefined ? value : `${before}/proc/self/fd/${file.fd}`;
}

/** Removes null members: varlink has null for absent values. */
function withoutNull(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== null));
}

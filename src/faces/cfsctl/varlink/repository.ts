import { availableParallelism } from 'node:os';
import { hasCode } from '#base/errors';
import type { Answer, Method, MethodCall, OpenRepositories, ServedInterface } from '#faces/varlink';
import { parseInterface } from '#formats/varlink';
import { checkRepository, collectGarbage, planGc } from '#work/check';
import { listImageObjects } from '#work/dump';
import {
  ensureRepository,
  initRepository,
  locateRepository,
  type Repository,
} from '#work/repository';
import { fsckDocument } from '../repository/fsck-report.ts';
import { imageName } from '../repository/look.ts';
import { algorithmOf, DEFAULT_ALGORITHM, refuseAlgorithm } from '../repository/values.ts';
import { REPOSITORY } from './descriptions.ts';
import { Handles, messageOf } from './handles.ts';
import { mountFor, refuseFiles } from './mount.ts';

/** Timeout of garbage collection for other processes, in milliseconds. */
const GC_WAIT_MS = 30_000;

/** `org.composefs.Repository`. */
export function repositoryInterface(repositories: OpenRepositories): ServedInterface {
  const described = parseInterface(REPOSITORY);
  const handles = new Handles(repositories, described.name);
  const methods: Readonly<Record<string, Method>> = {
    InitRepository: { run: (call) => initialise(handles, call) },
    EnsureRepository: { run: (call) => ensure(handles, call) },
    OpenRepository: { run: (call) => open(handles, call) },
    CloseRepository: {
      run: async ({ parameters }) => {
        const handle = parameters['handle'] as number;
        if (!repositories.close(handle)) throw handles.error('InvalidHandle', { handle });
        return {};
      },
    },
    Fsck: { isLong: true, run: (call) => fsck(handles, call) },
    Gc: { isLong: true, run: (call) => gc(handles, call) },
    ImageObjects: {
      run: (call) =>
        handles.use(call, 'short', async (repository) => imageObjects(handles, call, repository)),
    },
    ListImageRefs: {
      run: (call) => handles.use(call, 'short', async (repository) => imageRefs(repository)),
    },
    Mount: { run: (call) => mount(handles, call) },
  };
  return { described, methods, explain: handles.explain };
}

/** The configuration requested by a call. @throws CallError InvalidSpec */
function configOf(handles: Handles, { parameters }: MethodCall) {
  const algorithm = (parameters['algorithm'] as string | null) ?? DEFAULT_ALGORITHM;
  const reason = refuseAlgorithm(algorithm);
  if (reason !== undefined) {
    throw handles.error('InvalidSpec', { message: `invalid algorithm: ${reason}` });
  }
  return {
    algorithm: algorithmOf(algorithm),
    formats: { default: 1 as const, extra: [] },
    insecure: parameters['insecure'] === true,
  };
}

async function initialise(handles: Handles, call: MethodCall): Promise<Answer> {
  const config = configOf(handles, call);
  const path = call.parameters['path'] as string;
  const { repository, created } = await initRepository(path, config, { signal: call.signal });
  repository[Symbol.dispose]();
  return { parameters: { created } };
}

const STATUS = { created: 'Created', opened: 'Opened', upgraded: 'Upgraded' } as const;

async function ensure(handles: Handles, call: MethodCall): Promise<Answer> {
  const config = configOf(handles, call);
  const path = call.parameters['path'] as string;
  const { repository, outcome } = await ensureRepository(path, config, { signal: call.signal });
  repository[Symbol.dispose]();
  return { parameters: { status: STATUS[outcome] } };
}

async function open(handles: Handles, { parameters, signal }: MethodCall): Promise<Answer> {
  const path = (parameters['path'] as string | null) ?? undefined;
  const choice = { path, user: parameters['user'] === true, system: parameters['system'] === true };
  const chosen = [path !== undefined, choice.user, choice.system].filter(Boolean);
  if (chosen.length !== 1) {
    const message = 'exactly one of `path`, `user`, `system` must be set';
    throw handles.error('InvalidSpec', { message });
  }
  try {
    const { handle, found } = await handles.repositories.open(
      locateRepository(choice),
      signal,
      ({ algorithm, root }) => ({
        hash_algorithm: algorithm,
        objects_device_id: (root.lstat('objects') ?? root.lstat('.'))?.dev ?? null,
      }),
    );
    return { parameters: { handle, ...found } };
  } catch (error) {
    signal.throwIfAborted();
    throw handles.error('RepoNotFound', { message: messageOf(error) });
  }
}

async function fsck(handles: Handles, call: MethodCall): Promise<Answer> {
  return await handles.use(call, 'long', async (repository) => {
    const report = await checkRepository(repository, {
      signal: call.signal,
      metadataOnly: call.parameters['metadata_only'] === true,
      workers: availableParallelism(),
    });
    return { parameters: { ...fsckDocument(report) } };
  });
}

async function gc(handles: Handles, call: MethodCall): Promise<Answer> {
  const { parameters, signal } = call;
  const isDry = parameters['dry_run'] === true;
  return await handles.use(call, isDry ? 'long' : 'alone', async (repository) => {
    // composefs-rs keeps the existing roots, and ignores missing ones.
    const roots = (parameters['roots'] as string[]).filter((name) => isNamed(repository, name));
    const options = { signal, roots, workers: availableParallelism() };
    if (isDry) {
      const plan = await planGc(repository, options);
      // composefs-rs counts links when their objects are gone.
      const result = {
        objects_removed: plan.objects.length,
        objects_bytes: plan.objectsBytes,
        images_pruned: 0,
        streams_pruned: 0,
      };
      return { parameters: { result, dry_run: true } };
    }
    const done = await collectGarbage(repository, { ...options, timeoutMs: GC_WAIT_MS });
    const result = {
      objects_removed: done.objectsRemoved,
      objects_bytes: done.objectsBytes,
      images_pruned: done.imagesPruned,
      streams_pruned: done.streamsPruned,
    };
    return { parameters: { result, dry_run: false } };
  });
}

function isNamed({ root }: Repository, name: string): boolean {
  if (name === '' || name.includes('/') || name.includes('\0') || /^\.\.?$/.test(name))
    return false;
  const bytes = Buffer.from(name).toString('latin1');
  return ['images', 'streams'].some((folder) => root.lstat(`${folder}/${bytes}`) !== undefined);
}

function imageObjects(handles: Handles, call: MethodCall, repository: Repository): Answer {
  const reference = call.parameters['name'] as string;
  try {
    const ids = listImageObjects(repository, imageName(repository, reference));
    return { parameters: { object_ids: ids.map((id) => `${repository.algorithm}:${id}`) } };
  } catch (error) {
    if (hasCode(error, 'IMAGE_NOT_FOUND')) throw handles.error('NoSuchRef', { reference });
    throw error;
  }
}

function imageRefs({ refs }: Repository): Answer {
  const images = refs
    .list('images')
    .flatMap(({ name, id }) => (id === undefined ? [] : [{ name, digest: id }]));
  return { parameters: { images } };
}

async function mount(handles: Handles, call: MethodCall): Promise<Answer> {
  const wrong = refuseFiles(call);
  const name = call.parameters['name'] as string;
  return await handles.use(call, 'short', async (repository) => {
    if (wrong !== undefined) {
      const { wanted, found } = wrong;
      const message = `Mount expects ${wanted} fds for the requested options, got ${found}`;
      throw handles.error('InvalidSpec', { message });
    }
    return mountFor(call, repository, imageName(repository, name), name);
  });
}

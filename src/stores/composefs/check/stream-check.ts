import { setImmediate as yieldToEvents } from 'node:timers/promises';
import type { ObjectId } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import { ALGORITHMS, objectIdBytes, objectIdOf } from '#formats/fsverity';
import { openSplitstream, type Splitstream } from '#formats/splitstream';
import { OBJECTS } from '../layout.ts';
import type { Suspects } from '../marks/suspects.ts';
import { repositoryPath } from '../names/links.ts';
import type { Distrusted } from '../objects/object-writer.ts';
import type { Repository } from '../repository/repository.ts';
import { ObjectChecker } from './fsck-objects.ts';

/** Objects that are examined between two yields to the event loop. */
const STEP_OBJECTS = 1024;

/**
 * True if, by cheap checks, a stream can be rebuilt: all its objects exist, their sizes add up to the size of the stream, they have
 * fs-verity if the repository requires it, and suspect objects have the correct content.
 * @throws HostError SYSCALL_FAILED; FormatError of a bad splitstream; the signal's reason
 */
export async function isStreamWhole(
  repository: Repository,
  stream: Splitstream,
  { signal }: Pick<OperationOptions, 'signal'> = {},
): Promise<boolean> {
  const distrusted = repository.objects.distrusted();
  const sizes =
    distrusted === 'all'
      ? await verifiedSizes(repository, stream, signal)
      : await statedSizes(repository, stream, distrusted, signal);
  if (sizes === undefined) return false;
  let sizeBytes = 0;
  for (const part of stream.parts()) {
    sizeBytes += part.kind === 'inline' ? part.bytes.length : (sizes[part.index] ?? 0);
  }
  return sizeBytes === stream.sizeBytes;
}

/** Sizes by the number of the object in the stream; undefined if one is missing or damaged. */
async function statedSizes(
  repository: Repository,
  { objectDigests }: Splitstream,
  distrusted: Exclude<Distrusted, 'all'>,
  signal: AbortSignal | undefined,
): Promise<Float64Array | undefined> {
  const { digestBytes } = ALGORITHMS[repository.algorithm];
  const sizes = new Float64Array(objectDigests.length / digestBytes);
  for (let index = 0; index < sizes.length; index += 1) {
    if (index % STEP_OBJECTS === STEP_OBJECTS - 1) {
      await yieldToEvents();
      signal?.throwIfAborted();
    }
    const start = index * digestBytes;
    const id = objectIdOf(objectDigests.subarray(start, start + digestBytes));
    const size = sizeOf(repository, id);
    if (size === undefined) return undefined;
    if (distrusted.has(id) && !isIntact(repository, id)) return undefined;
    sizes[index] = size;
  }
  return sizes;
}

function sizeOf({ root, insecure, objects }: Repository, id: ObjectId): number | undefined {
  if (insecure) return objects.sizeOf(id);
  const stat = root.stat(repositoryPath(id));
  return stat?.type === 'file' && stat.verity ? stat.sizeBytes : undefined;
}

/**
 * Verifies that streams and their objects still exist; contents are not read. To be called under the lock, for what another process may have
 * removed while the lock was not held.
 * @throws NotFoundError OBJECT_NOT_FOUND for the first that is missing; FormatError of a bad splitstream; the signal's reason
 */
export async function requireStreams(
  repository: Repository,
  ids: Iterable<ObjectId>,
  { signal }: Pick<OperationOptions, 'signal'> = {},
): Promise<void> {
  const { objects, algorithm } = repository;
  for (const id of new Set(ids)) {
    using object = objects.openUnverified(id);
    const { objectDigests } = openSplitstream(object, { algorithm });
    const missing = objects.findPresent(objectDigests).indexOf(0);
    if (missing >= 0) {
      const { digestBytes } = ALGORITHMS[algorithm];
      const start = missing * digestBytes;
      const missingId = objectIdOf(objectDigests.subarray(start, start + digestBytes));
      // It throws, unless another process has just stored the object again.
      objects.openUnverified(missingId)[Symbol.dispose]();
    }
    await yieldToEvents();
    signal?.throwIfAborted();
  }
}

/** True if an object exists and its content matches its name. */
export function isIntact(repository: Repository, id: ObjectId): boolean {
  try {
    repository.objects.open(id, { verify: 'content' })[Symbol.dispose]();
    return true;
  } catch (error) {
    if (!isOnecopyError(error) || error.kind === 'busy') throw error;
    return false;
  }
}

/**
 * Which of many objects can be reused, 1 or 0 for each: those that are there, protected where the repository demands it, and with the
 * content that their names say where it is distrusted.
 * @param digests one digest behind the other, from the start of a buffer
 * @throws HostError SYSCALL_FAILED; the signal's reason
 */
export async function findSound(
  repository: Repository,
  digests: Uint8Array<ArrayBuffer>,
  { signal }: Pick<OperationOptions, 'signal'> = {},
): Promise<Uint8Array> {
  const { objects, algorithm, insecure } = repository;
  const sound = objects.findPresent(digests);
  const distrusted = objects.distrusted();
  if (insecure && distrusted !== 'all' && distrusted.size === 0) return sound;
  const { digestBytes } = ALGORITHMS[algorithm];
  for (let index = 0; index < sound.length; index += 1) {
    const isVerified = distrusted === 'all';
    if (isVerified || index % STEP_OBJECTS === STEP_OBJECTS - 1) {
      await yieldToEvents();
      signal?.throwIfAborted();
    }
    const start = index * digestBytes;
    const id = objectIdOf(digests.subarray(start, start + digestBytes));
    if (sound[index] === 0) continue;
    const isProtected = insecure || sizeOf(repository, id) !== undefined;
    const isSuspect = isVerified || distrusted.has(id);
    sound[index] = isProtected && (!isSuspect || isIntact(repository, id)) ? 1 : 0;
  }
  return sound;
}

/** As `findSound`, of one object. */
export async function isSound(
  repository: Repository,
  id: ObjectId,
  options: Pick<OperationOptions, 'signal'> = {},
): Promise<boolean> {
  const [sound] = await findSound(repository, new Uint8Array(objectIdBytes(id)), options);
  return sound === 1;
}

/** Takes back the marks of objects that by now are what their names say, as a pull has verified them or written them anew. */
export function settleObjects(repository: Repository, before: Suspects): void {
  if (before === 'all') return;
  const sound = [...before.ids].filter((id) => isIntact(repository, id));
  repository.suspects.clear(sound.map((id) => ({ id })));
}

async function verifiedSizes(
  { root, algorithm, insecure }: Repository,
  { objectDigests }: Splitstream,
  signal: AbortSignal | undefined,
): Promise<Float64Array | undefined> {
  const count = objectDigests.length / ALGORITHMS[algorithm].digestBytes;
  if (count === 0) return new Float64Array(0);
  using objects = root.tryOpenDir(OBJECTS);
  if (objects === undefined) return undefined;
  const digests = new SharedArrayBuffer(objectDigests.length);
  new Uint8Array(digests).set(objectDigests);
  const sizes = new SharedArrayBuffer(count * Float64Array.BYTES_PER_ELEMENT);
  using checker = new ObjectChecker({
    digests,
    sizes,
    objectsFd: objects.fd,
    algorithm,
    insecure,
    reports: false,
    next: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
  });
  while (checker.step() !== undefined) {
    await yieldToEvents();
    signal?.throwIfAborted();
  }
  return checker.findings.length === 0 ? new Float64Array(sizes) : undefined;
}

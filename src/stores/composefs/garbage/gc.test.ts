import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { computeContentDigest, type ObjectId } from '#base/digest';
import { type ErrorCode, hasCode } from '#base/errors';
import { objectPath } from '#formats/fsverity';
import { SplitstreamWriter } from '#formats/splitstream';
import { makeTempDir } from '../../../../test/support/temp-dir.ts';
import {
  applyGc,
  checkRepository,
  collectGarbage,
  initRepository,
  openRepository,
  planGc,
  type Repository,
} from '../index.ts';
import { ObjectSet } from '../objects/object-set.ts';
import { divide, removeObjects } from './gc-remove.ts';

/** The plan of a repository: streams refer to objects and to earlier streams; some have names, and some names are roots. */
interface Graph {
  readonly objects: number;
  readonly streams: readonly {
    readonly objects: readonly number[];
    readonly streams: readonly number[];
    readonly isNamed: boolean;
    readonly isRooted: boolean;
  }[];
}

const GRAPHS: fc.Arbitrary<Graph> = fc.integer({ min: 1, max: 12 }).chain((objects) =>
  fc.record({
    objects: fc.constant(objects),
    streams: fc.array(
      fc.record({
        objects: fc.uniqueArray(fc.nat(objects - 1), { maxLength: 4 }),
        streams: fc.uniqueArray(fc.nat(20), { maxLength: 3 }),
        isNamed: fc.boolean(),
        isRooted: fc.boolean(),
      }),
      { maxLength: 8 },
    ),
  }),
);

interface Built {
  readonly objects: readonly ObjectId[];
  readonly streams: readonly ObjectId[];
}

async function build(repository: Repository, graph: Graph): Promise<Built> {
  const { algorithm } = repository;
  const objects = Array.from(
    { length: graph.objects },
    (_, i) => repository.objects.ensureBytes(Buffer.alloc(65 + i, i)).id,
  );
  const streams: ObjectId[] = [];
  for (const [i, stream] of graph.streams.entries()) {
    const writer = new SplitstreamWriter({ algorithm, contentType: BigInt(i) });
    for (const to of refsOf(stream.streams, i))
      writer.addNamedRef(`label-${to}`, streams[to] as ObjectId);
    for (const to of stream.objects) writer.writeExternal(objects[to] as ObjectId, 65 + to);
    const content = await writer.finish();
    const id = repository.objects.ensureBytes(content).id;
    if (stream.isNamed || stream.isRooted) {
      repository.streams.register(`s${i}`, id, stream.isRooted ? { ref: `r/${i}` } : {});
    }
    streams.push(id);
  }
  return { objects, streams };
}

function refsOf(streams: readonly number[], before: number): readonly number[] {
  return before === 0 ? [] : [...new Set(streams.map((to) => to % before))];
}

/** The expected survivors: everything that a root reaches by ids. */
function reachable(graph: Graph, built: Built): Set<ObjectId> {
  const live = new Set<ObjectId>();
  const visit = (index: number) => {
    live.add(built.streams[index] as ObjectId);
    const stream = graph.streams[index];
    for (const to of stream?.objects ?? []) live.add(built.objects[to] as ObjectId);
    for (const to of refsOf(stream?.streams ?? [], index)) visit(to);
  };
  for (const [i, stream] of graph.streams.entries()) if (stream.isRooted) visit(i);
  return live;
}

function idsOf(repository: Repository): ObjectId[] {
  return [...repository.objects.list()].map(({ id }) => id).sort();
}

async function withRepository(work: (repository: Repository, path: string) => Promise<void>) {
  using temp = makeTempDir();
  const path = join(temp.path, 'r');
  const { repository } = await initRepository(path, { algorithm: 'sha256', insecure: true });
  using open = repository;
  await work(open, path);
}

function withCode(code: ErrorCode) {
  return (error: unknown) => hasCode(error, code);
}

test('gc keeps exactly the objects reachable from the roots, for any graph', () =>
  fc.assert(
    fc.asyncProperty(GRAPHS, (graph) =>
      withRepository(async (repository) => {
        const built = await build(repository, graph);
        const live = reachable(graph, built);
        const before = idsOf(repository);
        const plan = await planGc(repository);
        deepEqual(idsOf(repository), before, 'planning removes nothing');
        const result = await collectGarbage(repository);
        deepEqual(idsOf(repository), [...live].sort());
        equal(result.objectsRemoved, before.length - live.size);
        equal(result.objectsBytes, plan.objectsBytes);
        deepEqual((await planGc(repository)).objects, []);
        const names = graph.streams.filter(
          (stream, i) =>
            stream.isRooted || (stream.isNamed && live.has(built.streams[i] as ObjectId)),
        );
        equal(repository.streams.list().length, names.length);
      }),
    ),
    { numRuns: 60 },
  ));

test('gc keeps objects that are reachable by id when names below the roots are missing', () =>
  fc.assert(
    fc.asyncProperty(GRAPHS, (graph) =>
      withRepository(async (repository, path) => {
        const built = await build(repository, graph);
        const live = reachable(graph, built);
        for (const [i, stream] of graph.streams.entries()) {
          if (!stream.isRooted) rmSync(join(path, `streams/s${i}`), { force: true });
        }
        await collectGarbage(repository);
        deepEqual(idsOf(repository), [...live].sort());
      }),
    ),
    { numRuns: 30 },
  ));

test('a given name is a root, and an unknown name is an error', () =>
  withRepository(async (repository) => {
    const graph: Graph = {
      objects: 2,
      streams: [
        { objects: [0], streams: [], isNamed: true, isRooted: false },
        { objects: [1], streams: [], isNamed: true, isRooted: false },
      ],
    };
    const built = await build(repository, graph);
    await rejects(collectGarbage(repository, { roots: ['s7'] }), withCode('STREAM_NOT_FOUND'));
    await rejects(
      collectGarbage(repository, { roots: ['../meta.json'] }),
      withCode('STREAM_NOT_FOUND'),
    );
    equal(idsOf(repository).length, 4);
    const result = await collectGarbage(repository, { roots: ['s0'] });
    deepEqual([result.objectsRemoved, result.streamsPruned], [2, 1]);
    deepEqual(idsOf(repository), [built.objects[0], built.streams[0]].sort());
  }));

test('gc verifies the streams that it reads, whether or not there is garbage', () =>
  withRepository(async (repository, path) => {
    const { objects, streams, algorithm } = repository;
    const writer = new SplitstreamWriter({ algorithm, contentType: 1n });
    writer.writeExternal(objects.ensureBytes(Buffer.alloc(100, 1)).id, 100);
    const { id } = objects.ensureBytes(await writer.finish());
    streams.register('s', id, { ref: 'r' });
    const file = join(path, 'objects', objectPath(id));
    const bytes = readFileSync(file);
    // The table of objects: the entry now names another object.
    bytes[112] = (bytes[112] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    await rejects(collectGarbage(repository), withCode('GC_UNREADABLE'));
    equal(idsOf(repository).length, 2, 'the object that the table no longer names');
    bytes[112] = (bytes[112] ?? 0) ^ 1;
    // The end of the body: the tables are complete, but the digest differs.
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    writeFileSync(file, bytes);
    const nothing = await collectGarbage(repository);
    equal(nothing.objectsRemoved, 0);
    equal(nothing.findings.length, 1);
    objects.ensureBytes(Buffer.from('garbage'));
    const result = await collectGarbage(repository);
    equal(result.objectsRemoved, 1);
    deepEqual(
      result.findings.map(({ kind }) => kind),
      ['object-digest-mismatch'],
    );
  }));

test('an unreachable object whose id begins like a reachable one is removed', () =>
  withRepository(async (repository, path) => {
    const { objects, streams, algorithm } = repository;
    const writer = new SplitstreamWriter({ algorithm, contentType: 1n });
    const { id: live } = objects.ensureBytes(Buffer.alloc(100, 1));
    writer.writeExternal(live, 100);
    streams.publish('s', await writer.finish(), { ref: 'r' });
    const twin = `${live.slice(0, 16)}${'0'.repeat(48)}` as ObjectId;
    writeFileSync(join(path, 'objects', objectPath(twin)), 'x');
    equal((await collectGarbage(repository)).objectsRemoved, 1);
    ok(objects.has(live));
  }));

test('applyGc keeps objects that became reachable after the plan', () =>
  withRepository(async (repository) => {
    const graph: Graph = {
      objects: 1,
      streams: [{ objects: [0], streams: [], isNamed: true, isRooted: false }],
    };
    await build(repository, graph);
    const plan = await planGc(repository);
    equal(plan.objects.length, 2);
    repository.refs.set('streams', 'now', 's0');
    const fresh = repository.objects.ensureBytes(Buffer.from('not in the plan')).id;
    const result = await applyGc(repository, plan);
    equal(result.objectsRemoved, 0);
    equal(idsOf(repository).length, 3);
    ok(repository.objects.has(fresh), 'garbage that the plan does not name stays');
  }));

test('applyGc keeps everything that a later name needs, including garbage of the plan', () =>
  withRepository(async (repository) => {
    const { algorithm, objects, streams } = repository;
    const old = objects.ensureBytes(Buffer.alloc(100, 1)).id;
    const plan = await planGc(repository);
    deepEqual(
      plan.objects.map(({ id }) => id),
      [old],
    );
    using writer = new SplitstreamWriter({ algorithm, contentType: 1n });
    writer.writeExternal(objects.ensureBytes(Buffer.alloc(100, 1)).id, 100);
    streams.publish('since', await writer.finish());
    equal((await applyGc(repository, plan)).objectsRemoved, 0);
    deepEqual((await checkRepository(repository)).findings, []);
    equal((await collectGarbage(repository)).objectsRemoved, 2);
  }));

test('gc waits for the lock no longer than its time-out, changes nothing then, and stays usable', () =>
  withRepository(async (repository, path) => {
    repository.objects.ensureBytes(Buffer.from('garbage'));
    const other = await openRepository(path);
    await rejects(collectGarbage(repository, { timeoutMs: 10 }), withCode('REPO_LOCKED'));
    equal(idsOf(repository).length, 1);
    other[Symbol.dispose]();
    equal((await collectGarbage(repository, { timeoutMs: 10 })).objectsRemoved, 1);
    using again = await openRepository(path, { timeoutMs: 0 });
    equal(again.algorithm, 'sha256', 'the exclusive lock was given back');
  }));

test('gc releases the exclusive lock when it fails', () =>
  withRepository(async (repository, path) => {
    const { id } = repository.objects.ensureBytes(Buffer.from('no splitstream'));
    repository.streams.register('s', id, { ref: 'r' });
    await rejects(collectGarbage(repository), withCode('GC_UNREADABLE'));
    using again = await openRepository(path, { timeoutMs: 0 });
    equal(again.algorithm, 'sha256');
  }));

test('a dangling name that no reference needs is removed, and one that a reference needs is kept', () =>
  withRepository(async (repository, path) => {
    const graph: Graph = {
      objects: 1,
      streams: [{ objects: [0], streams: [], isNamed: true, isRooted: true }],
    };
    await build(repository, graph);
    const absent = `../objects/00/${'0'.repeat(62)}`;
    symlinkSync(absent, join(path, 'streams/loose'));
    symlinkSync(absent, join(path, 'streams/needed'));
    symlinkSync('../needed', join(path, 'streams/refs/needed'));
    const plan = await planGc(repository);
    deepEqual(
      plan.links.map((link) => [link.path, link.isBroken]),
      [['streams/loose', true]],
    );
    deepEqual(
      plan.findings.map(({ kind, path: where }) => [kind, where]),
      [['broken-symlink', 'streams/refs/needed']],
    );
    equal((await applyGc(repository, plan)).streamsPruned, 1);
    deepEqual(readdirSync(join(path, 'streams')).sort(), ['needed', 'refs', 's0']);
  }));

test('staging files and links of dead writers are removed from every directory, and nothing else', () =>
  withRepository(async (repository, path) => {
    const places = ['.', 'objects', 'streams', 'images'];
    for (const place of places) {
      mkdirSync(join(path, place), { recursive: true });
      writeFileSync(join(path, place, '.tmp-object-1'), 'x');
      symlinkSync('nowhere', join(path, place, '.symlink-Abc123Def456'));
      writeFileSync(join(path, place, 'tmp-object-1'), 'x');
    }
    const plan = await planGc(repository);
    const expected = places.flatMap((place) => {
      const prefix = place === '.' ? '' : `${place}/`;
      return [`${prefix}.symlink-Abc123Def456`, `${prefix}.tmp-object-1`];
    });
    deepEqual([...plan.leftovers].sort(), expected.sort());
    await applyGc(repository, plan);
    for (const place of places) {
      const left = readdirSync(join(path, place)).filter((name) => /tmp|symlink/.test(name));
      deepEqual(left, ['tmp-object-1'], place);
    }
  }));

test('if a name that a reference needs is not a link, gc stops before it deletes anything', () =>
  withRepository(async (repository, path) => {
    const { id } = repository.objects.ensureBytes(Buffer.alloc(100, 1));
    mkdirSync(join(path, 'streams/refs'), { recursive: true });
    writeFileSync(join(path, 'streams/file'), 'not a link');
    symlinkSync('../file', join(path, 'streams/refs/needed'));
    await rejects(collectGarbage(repository), (error: unknown) => hasCode(error, 'GC_UNREADABLE'));
    ok(repository.objects.has(id));
  }));

test('gc removes the artifacts of a removed image, and their artifacts too', () =>
  withRepository(async (repository, path) => {
    const { algorithm, streams, refs } = repository;
    const digests = ['a', 'b', 'c', 'd'].map((letter) => `sha256:${letter.repeat(64)}`);
    for (const [i, digest] of digests.entries()) {
      using writer = new SplitstreamWriter({ algorithm, contentType: BigInt(i) });
      writer.writeInline(Buffer.alloc(10 + i));
      streams.publish(`oci-manifest-${digest}`, await writer.finish());
    }
    const [image = '', signature = '', note = '', stranger = ''] = digests;
    refs.set('streams', 'oci/tag', `oci-manifest-${image}`);
    refs.set('streams', `oci-referrers/${image}/${signature}`, `oci-manifest-${signature}`);
    refs.set('streams', `oci-referrers/${signature}/${note}`, `oci-manifest-${note}`);
    const absent = `sha256:${'e'.repeat(64)}`;
    refs.set('streams', `oci-referrers/${absent}/${stranger}`, `oci-manifest-${stranger}`);
    const first = await collectGarbage(repository);
    deepEqual([first.objectsRemoved, first.streamsPruned], [1, 2]);
    deepEqual(first.findings, []);
    equal(refs.list('streams', 'oci-referrers').length, 2);
    refs.remove('streams', 'oci/tag');
    const second = await collectGarbage(repository);
    deepEqual([second.objectsRemoved, second.streamsPruned], [3, 5]);
    deepEqual(refs.list('streams'), []);
    deepEqual(readdirSync(join(path, 'streams/refs/oci-referrers')), []);
  }));

test('gc keeps an artifact whose image has a tag but no name', () =>
  withRepository(async (repository) => {
    const { algorithm, streams } = repository;
    using writer = new SplitstreamWriter({ algorithm, contentType: 1n });
    writer.writeInline(Buffer.alloc(10));
    const [lost, signature] = ['a', 'b'].map(
      (letter) => `oci-manifest-sha256:${letter.repeat(64)}`,
    );
    streams.publish(lost ?? '', await writer.finish(), { ref: 'oci/tag' });
    const id = streams.idOf(lost ?? '');
    ok(id);
    streams.register(signature ?? '', id, { ref: `oci-referrers/sha256:${'a'.repeat(64)}/s` });
    ok(repository.root.unlink(`streams/${lost}`));
    const result = await collectGarbage(repository);
    deepEqual([result.objectsRemoved, result.streamsPruned], [0, 0]);
    deepEqual(
      result.findings.map(({ kind }) => kind),
      ['broken-symlink'],
    );
  }));

test('gc keeps what a tag needs if the name of its manifest is lost', () =>
  withRepository(async (repository) => {
    const { algorithm, streams, objects } = repository;
    const document = Buffer.from(JSON.stringify({ note: 'x'.repeat(100) }));
    const { id } = objects.ensureBytes(document);
    const name = `oci-manifest-${computeContentDigest(document)}`;
    using writer = new SplitstreamWriter({ algorithm, contentType: 1n });
    writer.writeExternal(id, document.length);
    streams.publish(name, await writer.finish(), { ref: 'oci/tag' });
    ok(repository.root.unlink(`streams/${name}`));
    objects.ensureBytes(Buffer.from('garbage'));
    const result = await collectGarbage(repository);
    equal(result.objectsRemoved, 1);
    deepEqual(
      result.findings.map(({ kind }) => kind),
      ['broken-symlink', 'rescued-root'],
    );
    equal([...objects.list()].length, 2);
  }));

test('gc keeps a config whose digest only the label of a named ref states', () =>
  withRepository(async (repository) => {
    const { algorithm, streams, objects } = repository;
    const config = Buffer.from(JSON.stringify({ rootfs: 'x'.repeat(100) }));
    const { id } = objects.ensureBytes(config);
    using writer = new SplitstreamWriter({ algorithm, contentType: 1n });
    writer.addNamedRef(`config:${computeContentDigest(config)}`, 'e'.repeat(64) as ObjectId);
    streams.publish('manifest', await writer.finish(), { ref: 'oci/tag' });
    objects.ensureBytes(Buffer.from('garbage'));
    const result = await collectGarbage(repository);
    equal(result.objectsRemoved, 1);
    deepEqual(
      result.findings.map(({ kind }) => kind),
      ['missing-named-ref', 'rescued-root'],
    );
    ok(objects.has(id));
  }));

test('a cancelled gc throws the reason of the signal', () =>
  withRepository(async (repository) => {
    repository.objects.ensureBytes(Buffer.from('garbage'));
    const reason = new Error('enough');
    await rejects(
      collectGarbage(repository, { signal: AbortSignal.abort(reason) }),
      (error) => error === reason,
    );
    equal(idsOf(repository).length, 1);
  }));

test('thousands of objects are removed once each, and reachable ones are kept', () =>
  withRepository(async (repository) => {
    const count = 4100;
    for (let index = 0; index < count; index += 1) {
      repository.objects.ensureBytes(Buffer.from(`garbage ${index}`));
    }
    const kept = repository.objects.ensureBytes(Buffer.from('kept')).id;
    const writer = new SplitstreamWriter({ algorithm: repository.algorithm, contentType: 1n });
    writer.writeExternal(kept, 4);
    const stream = repository.objects.ensureBytes(await writer.finish()).id;
    repository.streams.register('s', stream, { ref: 'r' });
    const plan = await planGc(repository);
    let reported = 0;
    const result = await collectGarbage(repository, {
      onProgress: (event) => {
        if (event.type === 'advanced' && event.id === 'gc:remove') reported = event.done;
      },
    });
    equal(result.objectsRemoved, count);
    equal(result.objectsBytes, plan.objectsBytes);
    equal(reported, count);
    deepEqual(idsOf(repository), [kept, stream].sort());
  }));

test('objects are removed once each in any order of inodes, and missing ones are not counted', () =>
  withRepository(async (repository) => {
    const count = 700;
    const garbage = new ObjectSet(32);
    const ids = Array.from({ length: count }, (_, index) => {
      const bytes = Buffer.from(`garbage ${index}`.padEnd(16));
      return repository.objects.ensureBytes(bytes).id;
    });
    for (const id of ids) garbage.add(id);
    const inodes = ids.map((_, index) => (index % 2 === 0 ? index : 2 ** 32 + index));
    const gone = [ids[0], ids[1], ids[350]].flatMap((id) => id ?? []);
    for (const id of gone) equal(repository.root.unlink(`objects/${objectPath(id)}`), true);
    let reported = 0;
    const swept = { garbage, inodes };
    const result = await removeObjects(repository.root, swept, {
      onProgress: (event) => {
        if (event.type === 'advanced') reported = event.done;
      },
    });
    deepEqual(result, { objectsRemoved: count - 3, objectsBytes: (count - 3) * 16 });
    equal(reported, count);
    deepEqual(idsOf(repository), []);
  }));

test('objects are divided among threads by whole groups of inodes, each sorted by inode', () => {
  const groups = { followDirectories: true, of: (inode: number) => Math.floor(inode / 5_000) };
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 5_000 }))),
      fc.integer({ min: 1, max: 4 }),
      (wanted, workers) => {
        const inodes = wanted.flatMap(([group, count]) =>
          Array.from({ length: count }, (_, at) => group * 5_000 + ((at * 7) % 5_000)),
        );
        const parts = divide(inodes, groups, workers);
        ok(parts.length <= workers);
        ok(parts.slice(1).every((part) => part.length >= 4096));
        deepEqual(
          parts.flatMap((part) => [...part]).sort((a, b) => a - b),
          [...inodes.keys()],
        );
        const owners = new Map<number, number>();
        for (const [owner, part] of parts.entries()) {
          const inGroup = new Map<number, number>();
          for (const index of part) {
            const inode = inodes[index] ?? -1;
            const group = groups.of(inode);
            equal(owners.get(group) ?? owner, owner);
            owners.set(group, owner);
            ok((inGroup.get(group) ?? -1) <= inode);
            inGroup.set(group, inode);
          }
        }
      },
    ),
    { numRuns: 50 },
  );
  equal(divide([3, 1, 2], undefined, 4).length, 1);
  deepEqual([...divide([3, 1, 2], undefined, 4)[0]], [1, 2, 0]);
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hasCode } from '#base/errors';
import { computeVerity, objectPath } from '#formats/fsverity';
import { SplitstreamWriter } from '#formats/splitstream';
import { Dir, hasVerity, OPEN, statFd, tryMeasureVerity, writeAll } from '#host';
import {
  checkRepository,
  collectGarbage,
  initRepository,
  openObjectWriter,
  openRepository,
  type Repository,
} from '#stores/composefs';

const ALGORITHM = 'sha512';

function content(sizeBytes: number, fill: number): Buffer {
  return Buffer.alloc(sizeBytes, fill);
}

/** A file that an ordinary program wrote. */
function writePlain(dir: Dir, name: string, bytes: Uint8Array): void {
  using file = dir.openFile(name, OPEN.write | OPEN.create | OPEN.truncate, 0o644);
  writeAll(file, bytes);
}

for (const top of ['/ext4', '/btrfs']) {
  describe(`a secure repository on ${top.slice(1)}`, () => {
    const path = `${top}/repo`;

    async function open(): Promise<Repository> {
      return await openRepository(path, { requireVerity: true });
    }

    it('is created with a protected meta.json, and is not insecure', async () => {
      const { repository, created } = await initRepository(path, { algorithm: ALGORITHM });
      using opened = repository;
      assert.deepEqual([created, opened.insecure, opened.verity], [true, false, 'require']);
      using meta = opened.root.openFile('meta.json');
      assert.ok(hasVerity(meta, ALGORITHM));
    });

    it('protects every object, for every writer', async () => {
      using repository = await open();
      const { objects } = repository;
      const first = objects.ensureBytes(content(5000, 1)).id;
      const writer = openObjectWriter(objects.writerSeed());
      const bytes = content(70, 2);
      const second = computeVerity(bytes, ALGORITHM);
      assert.equal(writer.publishBytes(second, bytes), 'stored');
      using staged = objects.stage();
      for (let piece = 0; piece < 3; piece += 1) staged.write(content(1 << 20, piece));
      for (const id of [first, second, staged.publish().id]) {
        using object = objects.open(id);
        assert.equal(tryMeasureVerity(object, ALGORITHM), id);
      }
      assert.equal(objects.ensureBytes(content(5000, 1)).method, 'present');
      assert.throws(
        () => openObjectWriter(objects.writerSeed()).publishBytes(first, content(9, 9)),
        (error) => hasCode(error, 'OBJECT_DIGEST_MISMATCH'),
      );
    });

    it('publishes streams and images that the kernel vouches for', async () => {
      using repository = await open();
      const writer = new SplitstreamWriter({ algorithm: ALGORITHM, contentType: 1n });
      const file = repository.objects.ensureBytes(content(100, 3)).id;
      writer.writeExternal(file, 100);
      const id = repository.streams.publish('s', await writer.finish(), { ref: 'r' });
      using stream = repository.streams.open('refs/r');
      assert.deepEqual([stream.id, stream.stream.objectRefs], [id, [file]]);
      repository.images.publish(content(4096, 4), { ref: 'i' });
      using image = repository.images.open('i');
      assert.equal(image.wantVerity, true);
    });

    it('imports a file by reflink, or by a hard link that freezes it', async () => {
      using repository = await open();
      using dir = Dir.open(top);
      writePlain(dir, 'source', content(300_000, 5));
      using source = dir.openFile('source');
      const { id, method } = repository.objects.importFile(source, 300_000);
      assert.equal(method, top === '/btrfs' ? 'reflinked' : 'hardlinked');
      using object = repository.objects.open(id);
      const isSameInode = statFd(object).ino === statFd(source).ino;
      assert.equal(isSameInode, method === 'hardlinked');
      assert.equal(hasVerity(source, ALGORITHM), method === 'hardlinked');
      assert.equal(repository.objects.importFile(source, 300_000).method, 'present');
    });

    it('refuses an object without protection, unless it is opened as insecure', async () => {
      const bytes = content(600, 6);
      const id = computeVerity(bytes, ALGORITHM);
      {
        using repository = await open();
        repository.root.mkdir(`objects/${id.slice(0, 2)}`);
        writePlain(repository.root, `objects/${objectPath(id)}`, bytes);
        for (const verify of ['kernel', 'content'] as const) {
          assert.throws(
            () => repository.objects.open(id, { verify }),
            (error) => hasCode(error, 'VERITY_NOT_ENABLED'),
          );
        }
        const { findings } = await checkRepository(repository);
        assert.deepEqual(
          findings.filter(({ kind }) => kind.startsWith('object-')).map(({ kind }) => kind),
          ['object-verity-missing'],
        );
      }
      using insecure = await openRepository(path, { insecure: true });
      assert.deepEqual([insecure.insecure, insecure.verity], [true, 'try']);
      assert.equal(insecure.objects.read(id, 600).length, 600);
      using repository = await open();
      assert.equal(repository.objects.ensureBytes(bytes).method, 'stored', 'it is written anew');
      using object = repository.objects.open(id);
      assert.equal(tryMeasureVerity(object, ALGORITHM), id);
    });

    it('has no findings but the broken images, and gc removes unused objects', async () => {
      using repository = await open();
      repository.refs.remove('images', 'i');
      await collectGarbage(repository);
      assert.deepEqual((await checkRepository(repository)).findings, []);
      assert.equal([...repository.objects.list()].length, 2);
    });
  });
}

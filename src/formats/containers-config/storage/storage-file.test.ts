import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { mergeStorage, parseStorageFile, parseStorageOptions } from './storage-file.ts';
import { planStorageSearch } from './storage-search.ts';

const root = { uid: 0, home: '/root', variables: {} };
const user = { uid: 1000, home: '/home/u', variables: { USER: 'u' } };
const parse = (text: string) => parseStorageFile({ name: 'storage.conf', text });

test('without files and environment, the folders are those of podman', () => {
  assert.equal(mergeStorage(root, []).graphRoot, '/var/lib/containers/storage');
  assert.equal(mergeStorage(user, []).graphRoot, '/home/u/.local/share/containers/storage');
  const variables = { XDG_DATA_HOME: '/data', XDG_RUNTIME_DIR: '/run/me' };
  const places = mergeStorage({ ...user, variables }, []);
  assert.equal(places.graphRoot, '/data/containers/storage');
  assert.equal(places.runRoot, '/run/me/containers');
});

test('storage.conf sets driver, graph root, image store and additional stores; unknown keys are ignored', async () => {
  const file = await parse(`
    [storage]
    driver = "vfs"
    graphroot = "/g"
    runroot = "/r"
    imagestore = "/i"
    later = 7
    [storage.options]
    additionalimagestores = ["/a", "/b"]
    [storage.options.overlay]
    mountopt = "nodev"
  `);
  assert.deepEqual(mergeStorage(root, [{ file, isOfUser: false }]), {
    driver: 'vfs',
    graphRoot: '/g',
    runRoot: '/r',
    imageStore: '/i',
    additionalImageStores: ['/a', '/b'],
  });
});

test('the storage.conf of the system sets the store of ordinary users by rootless_storage_path only', async () => {
  const file = await parse(
    '[storage]\ngraphroot = "/g"\nrootless_storage_path = "/s/$USER/$UID$HOME/$NONE"',
  );
  assert.equal(mergeStorage(user, [{ file, isOfUser: false }]).graphRoot, '/s/u/1000/home/u/$NONE');
  assert.equal(mergeStorage(user, [{ file, isOfUser: true }]).graphRoot, '/g');
  assert.equal(mergeStorage(root, [{ file, isOfUser: false }]).graphRoot, '/g');
});

test('a later file overrides an earlier one, and the environment overrides both', async () => {
  const files = [
    { file: await parse('[storage]\ndriver = "overlay"\ngraphroot = "/one"'), isOfUser: false },
    { file: await parse('[storage]\ngraphroot = "/two"'), isOfUser: false },
  ];
  const variables = {
    STORAGE_DRIVER: 'vfs',
    STORAGE_OPTS: 'overlay.mountopt=nodev,overlay.imagestore=/i,additionalimagestore=/a',
  };
  const places = mergeStorage({ ...root, variables }, files);
  assert.deepEqual(
    [places.driver, places.graphRoot, places.imageStore, places.additionalImageStores],
    ['vfs', '/two', '/i', ['/a']],
  );
});

test('option names are accepted with the driver, with a dot or with nothing before them', () => {
  for (const prefix of ['overlay.', '.', '', 'vfs.']) {
    assert.equal(parseStorageOptions(`${prefix}imagestore=/i`).imageStore, '/i');
  }
  assert.deepEqual(parseStorageOptions('x,=,imagestore='), {
    imageStore: undefined,
    additionalImageStores: [],
  });
});

test('storage.conf is searched for where podman searches: user, host, distribution', () => {
  assert.deepEqual(planStorageSearch(root).main, [
    '/etc/containers/storage.conf',
    '/usr/share/containers/storage.conf',
  ]);
  assert.equal(planStorageSearch(user).main[0], '/home/u/.config/containers/storage.conf');
  const named = planStorageSearch({ ...root, variables: { CONTAINERS_STORAGE_CONF: '/x.conf' } });
  assert.deepEqual([named.main, named.mainMustExist, named.dropInFolders], [['/x.conf'], true, []]);
});

test('a value of a wrong type is refused with its place', async () => {
  for (const text of [
    '[storage]\ngraphroot = 7',
    'storage = 1',
    '[storage',
    '[storage.options]\nadditionalimagestores = "/a"',
  ]) {
    await assert.rejects(parse(text), (error) => hasCode(error, 'CONFIG_INVALID'));
  }
});

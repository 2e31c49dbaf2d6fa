import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { isOnecopyError } from '#base/errors';
import {
  attachMount,
  attachMountOver,
  cloneMount,
  type Dir,
  type HostFile,
  hasErrno,
  MountContext,
  OPEN,
  openLoopDevice,
  readAll,
  readFilesystemState,
  setMountAttributes,
  unmount,
} from '#host';
import { needs } from '../support/capability.ts';
import { watchDescriptors } from '../support/fd-leak.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

/** An EROFS image of one file, made by erofs-utils. */
function makeImage(temp: TempDir): void {
  mkdirSync(`${temp.path}/content`);
  writeFileSync(`${temp.path}/content/hello`, 'from the image\n');
  const done = spawnSync('mkfs.erofs', ['--quiet', `${temp.path}/image`, `${temp.path}/content`]);
  assert.equal(done.status, 0, String(done.stderr));
}

function mountErofs(source: string): HostFile {
  using context = new MountContext('erofs');
  context.setFlag('ro');
  context.setString('source', source);
  return context.mount();
}

function unmountLater(path: string): Disposable {
  return { [Symbol.dispose]: () => unmount(path, { lazy: true }) };
}

function readText(dir: Dir, name: string): string {
  using file = dir.openFile(name);
  return readAll(file, 1 << 20).toString();
}

describe('the mount interface', () => {
  it('mounts an EROFS image from an open file', (t) => {
    if (!needs(t, 'root', 'mount-api', 'erofs', 'tool:mkfs.erofs')) return;
    using _leaks = watchDescriptors();
    using temp = makeTempDir();
    makeImage(temp);
    using image = temp.dir.openFile('image');
    using mount = mountErofs(`/proc/self/fd/${image.fd}`);
    temp.dir.mkdir('mnt');
    attachMount(mount, temp.dir, 'mnt');
    using _mounted = unmountLater(`${temp.path}/mnt`);
    using dir = temp.dir.openDir('mnt');
    assert.equal(readText(dir, 'hello'), 'from the image\n');
    assert.throws(
      () => dir.mkdir('x'),
      (error) => hasErrno(error, 'EROFS'),
    );
    assert.equal(readFilesystemState(dir).readOnly, true);
    assert.equal(dir.isWritable(), false);
  });

  it('mounts an EROFS image from a loop device, which is detached at unmount', (t) => {
    if (!needs(t, 'root', 'mount-api', 'erofs', 'loop', 'tool:mkfs.erofs')) return;
    using temp = makeTempDir();
    makeImage(temp);
    using image = temp.dir.openFile('image');
    let path = '';
    {
      using device = openLoopDevice(image, { readOnly: true });
      path = device.path;
      using mount = mountErofs(path);
      temp.dir.mkdir('mnt');
      attachMount(mount, temp.dir, 'mnt');
    }
    {
      using dir = temp.dir.openDir('mnt');
      assert.equal(readText(dir, 'hello'), 'from the image\n');
    }
    unmount(`${temp.path}/mnt`);
    const listed = spawnSync('losetup', ['--noheadings', '--output', 'BACK-FILE', path]);
    assert.doesNotMatch(String(listed.stdout), new RegExp(temp.path));
  });

  it('mounts an overlay on a detached EROFS mount, with layers given as open files', (t) => {
    if (!needs(t, 'root', 'mount-api', 'erofs', 'overlay-lower-by-fd', 'tool:mkfs.erofs')) return;
    using temp = makeTempDir();
    makeImage(temp);
    temp.dir.mkdir('objects');
    temp.dir.mkdir('mnt');
    using image = temp.dir.openFile('image');
    using lower = mountErofs(`/proc/self/fd/${image.fd}`);
    using objects = temp.dir.openDir('objects');
    using overlay = new MountContext('overlay');
    overlay.setString('source', 'composefs:test');
    overlay.setString('metacopy', 'on');
    overlay.setString('redirect_dir', 'on');
    overlay.setFile('lowerdir+', lower);
    overlay.setFile('datadir+', objects);
    using mount = overlay.mount({ readOnly: true });
    using target = temp.dir.openDir('mnt');
    attachMountOver(mount, target);
    using _mounted = unmountLater(`${temp.path}/mnt`);
    using dir = temp.dir.openDir('mnt');
    assert.equal(readText(dir, 'hello'), 'from the image\n');
  });

  it("adds the kernel's message to the error", (t) => {
    if (!needs(t, 'root', 'mount-api', 'overlay')) return;
    using overlay = new MountContext('overlay');
    assert.throws(
      () => overlay.setString('redirect_dir', 'nonsense'),
      (error) =>
        isOnecopyError(error) &&
        error.details['errno'] === 'EINVAL' &&
        /overlay \(redirect_dir\): .*Bad value for 'redirect_dir'/.test(
          String(error.details['target']),
        ),
    );
    assert.throws(
      () => new MountContext('nosuchfs'),
      (error) => hasErrno(error, 'ENODEV'),
    );
  });

  it('clones a mount and makes only the clone read-only', (t) => {
    if (!needs(t, 'root', 'mount-api')) return;
    using temp = makeTempDir();
    temp.dir.mkdir('from');
    temp.dir.mkdir('to');
    using from = temp.dir.openDir('from');
    using clone = cloneMount(from);
    setMountAttributes(clone, { readOnly: true });
    attachMount(clone, temp.dir, 'to');
    using _mounted = unmountLater(`${temp.path}/to`);
    from.openFile('x', OPEN.create | OPEN.write)[Symbol.dispose]();
    using to = temp.dir.openDir('to');
    assert.equal(to.lstat('x')?.type, 'file');
    assert.throws(
      () => to.mkdir('y'),
      (error) => hasErrno(error, 'EROFS'),
    );
    setMountAttributes(to, { readOnly: false });
    assert.equal(to.mkdir('y'), true);
  });
});

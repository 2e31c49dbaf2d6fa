import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { needs } from '../support/capability.ts';
import { goldenReference, runCli } from '../support/run-cli.ts';
import { makeMemoryDir, makeTempDir, type TempDir } from '../support/temp-dir.ts';

// Facts of the golden image "basic", as the real tool printed them (test/golden/cfsctl/oci/basic/sha512-v1.json).
const MANIFEST = 'sha256:af9c4727598b7442fbd4435646b50f5265e5230b7c3a3bb23439e452fcdff91f';
const CONFIG = 'sha256:81f74e8f623eb338acaf17aeb1aa107e8cc7732667aa4520fe0bed24365a0121';
const DIFF_ID = 'sha256:cd8fddcd749ac001a238b1d90cd19ecf314b3bc38e74c3ec2426379b20f298fb';
const IMAGE_ID =
  'd06f1f6a73f62ed48e05ce9442ff045cdf2a9f5ba1ec623795de3d6177a253d9' +
  '1076459795d94f55d8c3d71dab458bb3fc0071255a50c0a4896d86ffdc870b9a';
const REFERENCE = goldenReference('basic');
const HELLO = 'hello from test layer\n';

let scratch: TempDir;
let repo: string;

type Json = { readonly [key: string]: unknown };

/** Runs a verb that must succeed with nothing but its report on stdout, and no progress. */
function say(...args: string[]): string {
  const { status, stdout, stderr } = runCli(['--progress', 'none', ...args], { repo });
  equal(status, 0, `${args.join(' ')}: ${stderr}`);
  equal(stderr, '');
  return stdout;
}

/** Runs a verb with --json: exactly one document of schema version 1. */
function document(...args: string[]): Json {
  const parsed = JSON.parse(say('--json', ...args)) as Json;
  equal(parsed['schemaVersion'], 1);
  return parsed;
}

before(() => {
  scratch = makeMemoryDir();
  repo = join(scratch.path, 'repo');
});
after(() => scratch[Symbol.dispose]());

test('a dry run of pull and of init needs no repository and creates none', () => {
  const plan = document('-n', 'pull', REFERENCE, 'app');
  deepEqual(
    [plan['dryRun'], plan['wouldCreate'], plan['manifestDigest'], plan['wantedBytes']],
    [true, true, MANIFEST, 185],
  );
  const text = say('-n', 'pull', REFERENCE, 'app');
  match(text, /^Would create .*\nWould pull image sha256:af9c4727/);
  deepEqual(document('-n', 'init')['exists'], false);
  ok(!existsSync(repo));
});

test('pull creates the repository, tags the image, and reports where composefs-rs would differ', () => {
  const first = document('pull', REFERENCE, 'app');
  deepEqual(
    [
      first['name'],
      first['kind'],
      first['manifestDigest'],
      first['configDigest'],
      first['imageId'],
    ],
    ['app', 'image', MANIFEST, CONFIG, IMAGE_ID],
  );
  const [layer] = first['layers'] as Json[];
  deepEqual(
    [layer?.['diffId'], layer?.['status'], layer?.['sizeBytes']],
    [DIFF_ID, 'imported', 185],
  );
  equal(typeof (first['ms'] as Json)['total'], 'number');
  const again = runCli(['pull', REFERENCE, 'app'], { repo });
  match(again.stdout, /^Pulled app\n {2}manifest: sha256:af9c4727.*\n {2}image: {4}d06f1f6a/);
  match(again.stdout, /1, 1 of them already stored/);
  equal(again.stderr, 'sha256:cd8fddcd749a: already present\n');
});

test('init accepts an existing repository, and resets it only with the option and a confirmation', () => {
  deepEqual(document('init'), {
    schemaVersion: 1,
    dryRun: false,
    repository: repo,
    created: false,
    algorithm: 'fsverity-sha512-12',
    insecure: true,
    erofsVersions: [1],
  });
  const other = join(scratch.path, 'other');
  const made = runCli(['--repo', other, 'init', '--insecure', '--erofs-version', '2']);
  equal(made.status, 0);
  match(made.stdout, /^Created .*\n.*fsverity-sha512-12\n.*not used\n.*version 2\n$/);
  const args = ['--repo', other, 'init', '--insecure', '--algorithm', 'fsverity-sha256-12'];
  const differs = runCli(args);
  equal(differs.status, 5);
  match(differs.stderr, /hint: .*--reset-metadata/);
  const unasked = runCli([...args, '--reset-metadata']);
  equal(unasked.status, 2);
  match(unasked.stderr, /hint: To answer yes, add --yes/);
  const reset = runCli([...args, '--reset-metadata', '--yes', '--json']);
  equal(reset.status, 0, reset.stderr);
  equal((JSON.parse(reset.stdout) as Json)['algorithm'], 'fsverity-sha256-12');
});

test('images, inspect and history show the stored image', () => {
  match(
    say('images'),
    /^NAME +KIND +ID +IMAGE +PLATFORM +CREATED +LAYERS +DOWNLOAD +SIZE\napp +image +af9c4727598b +d06f1f6a73f6 +linux\/amd64 +2023-11-14 22:13 +1 +185 B +10.0 KiB\n$/,
  );
  match(say('--no-trunc', 'images'), new RegExp(`${MANIFEST} +${IMAGE_ID}`));
  equal(say('-q', 'images'), 'af9c4727598b\n');
  equal(say('images', '--format', '{{.Name}} {{ .ID }}'), 'app af9c4727598b\n');
  equal(say('images', '--format', 'json'), say('--json', 'images'));
  equal(say('-q', 'images', '--filter', 'name=a*p', '--filter', 'id=af9c'), 'af9c4727598b\n');
  for (const filter of ['name=b*', 'name=ap', 'id=bf']) {
    equal(say('-q', 'images', '--filter', filter), '', filter);
  }
  for (const [flag, value] of [
    ['--filter', 'size=1'],
    ['--format', '{{.Sizes}}'],
  ] as const) {
    const wrong = runCli(['images', flag, value], { repo });
    deepEqual([wrong.status, wrong.stdout], [2, ''], flag);
  }
  const [image] = document('images')['images'] as Json[];
  deepEqual(
    [image?.['name'], image?.['manifestDigest'], image?.['imageId'], image?.['downloadSizeBytes']],
    ['app', MANIFEST, IMAGE_ID, 185],
  );
  const inspected = document('inspect', 'app');
  deepEqual(
    [inspected['manifestDigest'], inspected['configDigest'], inspected['imageIds']],
    [MANIFEST, CONFIG, { 'composefs.image.v1': IMAGE_ID }],
  );
  match(say('inspect', 'app'), /^Name: +app\nManifest: +sha256:af9c4727/);
  const blobs = join(REFERENCE.slice('oci:'.length, -':latest'.length), 'blobs/sha256');
  equal(say('inspect', 'app', '--config'), readFileSync(join(blobs, CONFIG.slice(7)), 'utf8'));
  const manifest = readFileSync(join(blobs, MANIFEST.slice(7)), 'utf8');
  equal(say('inspect', 'app', '--manifest'), manifest);
  equal(say('inspect', 'app', '--raw'), manifest);
  equal(say('inspect', 'app', '--raw', '--config'), say('inspect', 'app', '--config'));
  ok(Array.isArray(document('history', 'app')['history']));
});

test('an image at its source is inspected like a pulled one, and nothing is stored', () => {
  const nowhere = join(scratch.path, 'no-repo');
  const look = (...args: string[]) => runCli(['-q', ...args], { repo: nowhere });
  for (const verb of ['ls', 'tree', 'find']) {
    equal(look('--json', verb, REFERENCE).stdout, say('--json', verb, 'app'), verb);
  }
  const path = '/hello.txt';
  equal(look('--json', 'stat', REFERENCE, path).stdout, say('--json', 'stat', 'app', path));
  const cat = look('cat', REFERENCE, path, 'hello-link.txt', 'missing', path);
  deepEqual([cat.status, cat.stdout], [4, HELLO + HELLO]);
  deepEqual(look('diff', '--exit-code', REFERENCE, REFERENCE).status, 0);
  equal(say('diff', '--exit-code', 'app', REFERENCE), '');
  const [other, artifact] = [goldenReference('types'), goldenReference('artifact')];
  equal(look('diff', '--exit-code', REFERENCE, other).status, 3);
  const bad = look('ls', goldenReference('quirk-bad-blob-same-size'));
  deepEqual([bad.status, bad.stdout], [6, '']);
  match(bad.stderr, /^onecopy: Cannot accept blob: expected digest sha256:/);
  equal(look('ls', artifact).status, 8);
  equal(look('ls', 'oci:/nonexistent').status, 4);
  ok(!existsSync(nowhere));
});

test('ls, tree, cat, stat and find read an image without a mount', () => {
  equal(say('ls', 'app'), 'hello-link.txt\nhello.txt\nusr\n');
  match(
    say('ls', '-l', 'app', '/hello.txt'),
    /^MODE .*\n-rw-r--r-- +2 +0 +0 +22 +2009-02-13T23:31:30Z +\/?hello\.txt\n$/,
  );
  const entries = document('ls', '-R', 'app')['entries'] as Json[];
  const file = entries.find(({ path }) => path === '/hello.txt');
  deepEqual(
    [file?.['kind'], file?.['mode'], file?.['sizeBytes'], file?.['mtime'], file?.['linkCount']],
    ['file', '0644', 22, '2009-02-13T23:31:30Z', 2],
  );
  match(say('tree', 'app'), /^\/\n├── hello-link\.txt\n├── hello\.txt\n└── usr\n/);
  equal(say('cat', 'app', '/hello.txt', 'hello-link.txt'), HELLO + HELLO);
  match(
    say('stat', 'app', '/hello.txt'),
    /^Path: +\/hello\.txt\nKind: +file\nMode: +0644 \(-rw-r--r--\)\n/,
  );
  deepEqual((document('stat', 'app', '/usr')['entries'] as Json[])[0]?.['kind'], 'directory');
  equal(say('find', 'app', '--type', 'd'), '/\n/usr\n');
  equal(say('find', 'app', '--name', '*.txt', '--max-size', '22'), '/hello-link.txt\n/hello.txt\n');
});

test('cp and export write what their dry runs listed', () => {
  const copy = join(scratch.path, 'copy.txt');
  match(say('-n', 'cp', 'app:/hello.txt', copy), /^Would copy app:\/hello\.txt \(file\)/);
  equal(document('-n', 'cp', 'app:/hello.txt', copy)['dryRun'], true);
  ok(!existsSync(copy));
  equal(document('cp', '--no-owners', 'app:/hello.txt', copy)['dryRun'], false);
  equal(readFileSync(copy, 'utf8'), HELLO);

  const layout = join(scratch.path, 'layout');
  const folder = join(scratch.path, 'folder');
  equal(document('-n', 'export', 'app', `oci:${layout}:v1`)['manifestDigest'], MANIFEST);
  equal(document('-n', 'export', 'app', folder)['imageId'], IMAGE_ID);
  ok(!existsSync(layout) && !existsSync(folder));
  match(say('export', '--no-owners', 'app', folder), /^Wrote app to /);
  deepEqual(readdirSync(folder).sort(), ['hello-link.txt', 'hello.txt', 'usr']);
  const written = document('export', 'app', `oci:${layout}:v1`);
  deepEqual([written['kind'], written['identical']], ['image', false]);
  equal(document('-n', 'pull', `oci:${layout}:v1`)['presentBytes'], 10240);
});

test('tag, untag and rm change names, and their dry runs change none', () => {
  equal(document('-n', 'tag', 'app', 'v2')['manifestDigest'], MANIFEST);
  equal(say('tag', 'app', 'host/app:v2'), `Tagged ${MANIFEST} as host/app:v2\n`);
  deepEqual(document('-n', 'untag', 'host/app:v2')['removed'], ['host/app:v2']);
  equal(say('untag', 'host/app:v2'), 'Removed name host/app:v2\n');
  equal(runCli(['-n', 'untag', 'host/app:v2'], { repo }).status, 4);
  say('tag', 'app', 'b');
  const image = { kind: 'image', manifestDigest: MANIFEST, commit: null, imageId: null };
  deepEqual(document('-n', 'rm', `@${MANIFEST}`)['removed'], [
    { ...image, names: ['app', 'b'], remaining: [] },
  ]);
  deepEqual(document('rm', 'b')['removed'], [{ ...image, names: ['b'], remaining: ['app'] }]);
});

test('diff lists changes, and --exit-code reports them in the exit status', () => {
  say('pull', goldenReference('whiteouts'), 'other');
  equal(say('diff', '--exit-code', 'app', 'app'), '');
  const text = runCli(['diff', '--exit-code', 'app', 'other'], { repo });
  equal(text.status, 3);
  match(text.stdout, /^- \/hello\.txt/m);
  const changes = document('diff', 'app', 'other')['changes'] as Json[];
  const removed = changes.find(({ path }) => path === '/hello.txt');
  deepEqual([removed?.['change'], removed?.['after']], ['removed', null]);
});

test('gc removes what its dry run listed, and fsck finds no damage before and after', () => {
  equal(say('-q', 'rm', 'other'), '');
  const plan = join(scratch.path, 'plan.json');
  const planned = document('gc', '--plan', plan);
  const count = planned['objectsRemoved'] as number;
  deepEqual([planned['dryRun'], count > 0], [true, true]);
  equal(document('-n', 'gc')['objectsRemoved'], count);
  const applied = document('gc', '--apply', plan);
  deepEqual(
    [applied['dryRun'], applied['objectsRemoved'], applied['freedBytes']],
    [false, count, planned['freedBytes']],
  );
  match(say('gc'), /^Objects: 0 removed \(0 B\)\n$/);
  const checked = document('fsck');
  deepEqual([checked['ok'], checked['findings']], [true, []]);
  match(
    say('fsck', 'app'),
    /tags: +1\/1 ok\nNot checked: objects that only other images use\nNothing wrong\n$/,
  );
  equal(say('cat', 'app', '/hello.txt'), HELLO);
});

test('mount and umount do what their dry runs listed', (t) => {
  if (!needs(t, 'root', 'mount-api', 'erofs', 'overlay')) return;
  // On a disk: the kernel mounts images of files, which not every memory filesystem allows.
  using disk = makeTempDir();
  const store = ['--repo', join(disk.path, 'repo')];
  const place = join(disk.path, 'place');
  mkdirSync(place);
  say(...store, 'init', '--insecure');
  say(...store, 'pull', REFERENCE, 'app');
  equal(document(...store, '-n', 'mount', 'app', place)['imageId'], IMAGE_ID);
  deepEqual(readdirSync(place), []);
  deepEqual(document(...store, 'mount', 'app', place)['mount'], {
    imageId: IMAGE_ID,
    target: place,
    verity: false,
    readOnly: true,
  });
  try {
    equal(readFileSync(join(place, 'hello.txt'), 'utf8'), HELLO);
    const again = runCli([...store, '--json', 'mount', 'app', place]);
    deepEqual([again.status, JSON.parse(again.stderr).error.code], [5, 'MOUNT_EXISTS']);
    equal(say('-n', 'umount', place), `Would unmount app from ${place}\n`);
  } finally {
    const gone = document('umount', place)['unmounted'];
    deepEqual(gone, { target: place, image: 'app', imageId: IMAGE_ID });
  }
  deepEqual(readdirSync(place), []);
  equal(runCli([...store, 'mount', 'app', place, '--upper', place]).status, 2);
});

test('doctor reports the capabilities of each path', () => {
  const places = document('doctor', scratch.path)['places'] as Json[];
  equal(places[0]?.['path'], scratch.path);
  ok((places[0]?.['capabilities'] as Json[] | undefined)?.some(({ name }) => name === 'reflink'));
});

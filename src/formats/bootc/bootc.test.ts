import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  encodeStateFile,
  type InstallFile,
  parseBoundImage,
  parseImageOrigin,
  parseStateFile,
  readInstallMode,
  STORAGE_MODES,
} from './index.ts';

const bytes = (text: string) => Buffer.from(text);

test('encodeStateFile writes the bytes that bootc writes, and parseStateFile reads the mode back', () => {
  const expected = '{\n  "version": 1,\n  "unified": "enabled"\n}';
  assert.equal(Buffer.from(encodeStateFile('enabled')).toString(), expected);
  assert.equal(encodeStateFile('enabled').length, 42);
  for (const mode of STORAGE_MODES) assert.equal(parseStateFile(encodeStateFile(mode)), mode);
  assert.equal(parseStateFile(bytes('{"version":1,"other":{}}')), 'disabled');
});

test('a state file is refused when it is damaged, of another type, or of another version', () => {
  const whole = Buffer.from(encodeStateFile('enabled-with-copy'));
  for (let length = 0; length < whole.length; length += 1) {
    assert.throws(() => parseStateFile(whole.subarray(0, length)), { code: 'BOOTC_STATE_INVALID' });
  }
  const refused = [
    '[]',
    'null',
    '{"unified":"enabled"}',
    '{"version":"1"}',
    '{"version":1,"unified":true}',
  ];
  for (const text of [...refused, '{"version":1,"unified":"Enabled"}']) {
    assert.throws(() => parseStateFile(bytes(text)), { code: 'BOOTC_STATE_INVALID' }, text);
  }
  assert.throws(() => parseStateFile(bytes('{"version":2}')), { code: 'BOOTC_STATE_VERSION' });
});

const files = (...texts: readonly string[]): InstallFile[] =>
  texts.map((text, at) => ({ path: `${at}.toml`, text }));

test('the install mode is taken from the last configuration file that sets one', async () => {
  const of = (mode: string) => `[install.storage]\nunified = "${mode}"\n`;
  assert.equal(await readInstallMode(files(of('enabled'), of('disabled'))), 'disabled');
  const other = '[install]\nstateroot = "os"\n[install.filesystem.root]\ntype = "xfs"\n';
  assert.equal(await readInstallMode(files(of('enabled-with-copy'), other)), 'enabled-with-copy');
  assert.equal(await readInstallMode(files(other, '[install.storage]\n', '')), undefined);
});

test('an install configuration with another value or key is refused', async () => {
  const refused = [
    '[install.storage]\nunified = "Enabled"',
    '[install.storage]\nunified = true',
    '[install.storage]\nunified = "enabled"\nother = 1',
    '[install]\nstorage = "enabled"',
    'install = 1',
    'not toml',
  ];
  for (const text of refused) {
    await assert.rejects(readInstallMode(files(text)), { code: 'INSTALL_CONFIG_INVALID' }, text);
  }
});

test('parsing an origin gives the image reference without the signature policy', () => {
  const cases = {
    'ostree-unverified-image:docker://quay.io/os/base:1': 'docker://quay.io/os/base:1',
    'ostree-unverified-registry:quay.io/os/base:1': 'docker://quay.io/os/base:1',
    'ostree-unverified-image:registry:quay.io/os/base:1': 'docker://quay.io/os/base:1',
    'ostree-image-signed:docker://quay.io/os/base': 'docker://quay.io/os/base',
    'ostree-remote-image:fedora:docker://quay.io/os/base:1': 'docker://quay.io/os/base:1',
    'ostree-remote-registry:fedora:quay.io/os/base:1': 'docker://quay.io/os/base:1',
    'ostree-unverified-image:containers-storage:localhost/os': 'containers-storage:localhost/os',
  };
  for (const [value, reference] of Object.entries(cases)) {
    const text = `[libostree-transient]\npinned=true\n[origin]\ncontainer-image-reference=${value}\n`;
    assert.deepEqual(parseImageOrigin(bytes(text)), { reference }, value);
  }
  for (const text of [
    '',
    '[origin]\nrefspec=fedora:os\n',
    '[other]\ncontainer-image-reference=x',
  ]) {
    assert.equal(parseImageOrigin(bytes(text)), undefined, text);
  }
});

test('parseBoundImage gives the image of a container or image quadlet', () => {
  const container = bytes('[Unit]\nImage=other\n[Container]\n# Image=no\nImage = quay.io/app:1\n');
  assert.equal(parseBoundImage('app.container', container), 'quay.io/app:1');
  assert.equal(
    parseBoundImage('app.image', bytes('[Image]\nImage=quay.io/app:1')),
    'quay.io/app:1',
  );
  assert.equal(parseBoundImage('app.image', container), undefined);
  assert.equal(parseBoundImage('app.volume', container), undefined);
  assert.equal(parseBoundImage('app.image', bytes('[Image]\nImage=quay.io/%i')), undefined);
});

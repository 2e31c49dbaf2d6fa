import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseEd25519Keys, parseKeyFile, parseMetadataDict, signaturesOf } from '#formats/ostree';
import { type OstreeRemoteConfig, parseRemotes } from '#stores/ostree';
import { unpackOstree } from '../../../../test/support/ostree-fixture.ts';
import { makeTempRepository } from '../../../../test/support/ostree-stored.ts';
import { readTarFixture, readTarFolder } from '../../../../test/support/tar-fixture.ts';
import { makeTempDir } from '../../../../test/support/temp-dir.ts';
import { pullCommit } from '../pull.ts';
import { openConfiguredRemote } from '../resolve/remote-config.ts';
import { createTrustPolicy, gatesOfKeys, remoteTrustPolicy } from './gates.ts';
import { passGates, type TrustPolicy, verifyCommit } from './trust.ts';

const KEYS = new URL('../../../../test/golden/ostree/keys/', import.meta.url);
const ED25519 = readFileSync(new URL('ed25519.public', KEYS), 'latin1').trim();
const GPG = readFileSync(new URL('../mini-meta/gpg-public.asc', KEYS));
/** A well-formed keyring that signed nothing here. */
const OTHER_GPG = readFileSync(new URL('gpg-public.asc', KEYS));
const files = readTarFolder('ostree/mini.tar.gz', 'fxmini/r-signed');
/** A well-formed key that signed nothing here. */
const OTHER_KEY = Buffer.alloc(32, 1).toString('base64');
const INVALID = { code: 'OSTREE_SIGNATURE_INVALID' };
const MISSING = { code: 'OSTREE_SIGNATURE_MISSING' };
const NO_KEYS = { code: 'OSTREE_KEYS_MISSING' };

/** Commits with their detached metadata, by the schemes that signed them. */
const SIGNED = [...files]
  .filter(([path]) => path.endsWith('.commitmeta'))
  .map(([path, { bytes }]) => ({
    bytes: files.get(path.replace('.commitmeta', '.commit'))?.bytes as Uint8Array,
    detached: bytes,
    hasGpg: signaturesOf(parseMetadataDict(bytes, path), 'gpg').length > 0,
  }));
const both = SIGNED.find(({ hasGpg }) => hasGpg);
const onlyEd25519 = SIGNED.find(({ hasGpg }) => !hasGpg);
assert.ok(both && onlyEd25519);

function remote(lines: string): OstreeRemoteConfig {
  const text = `[remote "origin"]\nurl=http://127.0.0.1/\n${lines}\n`;
  const [parsed] = parseRemotes(parseKeyFile(Buffer.from(text)));
  assert.ok(parsed);
  return parsed;
}

async function policyOf(lines: string, system: readonly string[] = []): Promise<TrustPolicy> {
  return await remoteTrustPolicy(remote(lines), { system });
}

async function verify(
  policy: TrustPolicy,
  signed: { readonly bytes: Uint8Array; readonly detached: Uint8Array | undefined },
): Promise<string[]> {
  const { bytes, detached } = signed;
  return await verifyCommit({ bytes, detached, ref: undefined, current: undefined }, policy);
}

test('a commit signed by the configured ed25519 key is accepted, and any other is refused', async () => {
  const lines = 'gpg-verify=false\nsign-verify=true\nverification-ed25519-key=';
  const policy = await policyOf(lines + ED25519);
  assert.deepEqual(await verify(policy, onlyEd25519), [ED25519]);
  assert.deepEqual(await verify(policy, both), [ED25519]);
  const changed = onlyEd25519.bytes.slice();
  changed[changed.length - 70] = (changed[changed.length - 70] ?? 0) ^ 1;
  await assert.rejects(verify(policy, { ...onlyEd25519, bytes: changed }), INVALID);
  await assert.rejects(verify(policy, { ...onlyEd25519, detached: undefined }), MISSING);
  await assert.rejects(verify(await policyOf(lines + OTHER_KEY), onlyEd25519), INVALID);
});

test('verifyCommit refuses a commit that is not bound to the collection of the policy', async () => {
  const lines = 'gpg-verify=false\nsign-verify=true\nverification-ed25519-key=';
  const policy = { ...(await policyOf(lines + ED25519)), collectionId: 'org.example.Other' };
  await assert.rejects(verify(policy, onlyEd25519), { code: 'OSTREE_BINDING_MISMATCH' });
  const unbound = { ...policy, verifyBindings: false };
  assert.deepEqual(await verify(unbound, onlyEd25519), [ED25519]);
});

test('keys are read from files, else from the system folders, and revoked keys are ignored', async () => {
  using temp = makeTempDir();
  const path = temp.path;
  writeFileSync(`${path}/key`, `${ED25519}\n`);
  const file = `gpg-verify=false\nsign-verify=ed25519\nverification-ed25519-file=${path}/key`;
  assert.equal((await verify(await policyOf(file), both)).length, 1);
  const plain = 'gpg-verify=false\nsign-verify=ed25519;';
  await assert.rejects(policyOf(plain, [path]), NO_KEYS);
  mkdirSync(`${path}/trusted.ed25519.d`);
  writeFileSync(`${path}/trusted.ed25519.d/a`, OTHER_KEY);
  writeFileSync(`${path}/trusted.ed25519.d/b`, ED25519);
  assert.equal((await verify(await policyOf(plain, [path]), both)).length, 1);
  writeFileSync(`${path}/revoked.ed25519`, ED25519);
  await assert.rejects(verify(await policyOf(plain, [path]), both), INVALID);
  await assert.rejects(verify(await policyOf(file, [path]), both), INVALID);
  const none = `${plain}\nverification-ed25519-file=${path}/none`;
  await assert.rejects(policyOf(none), NO_KEYS);
  await assert.rejects(policyOf('gpg-verify=false\nsign-verify=dummy;'), {
    code: 'OSTREE_SIGNATURE_SCHEME_UNKNOWN',
  });
});

test('a GPG signature by a key of the keyring is accepted, and both schemes must accept if both are required', async () => {
  using temp = makeTempDir();
  writeFileSync(`${temp.path}/origin.trustedkeys.gpg`, GPG);
  const policy = await remoteTrustPolicy(remote(''), { repository: temp.path, system: [] });
  const [fingerprint, ...others] = await verify(policy, both);
  assert.match(fingerprint ?? '', /^[0-9a-f]{40}$/);
  assert.deepEqual(others, []);
  await assert.rejects(verify(policy, onlyEd25519), MISSING);
  const other = await gatesOfKeys([OTHER_GPG], []);
  await assert.rejects(verify({ commitGates: other }, both), INVALID);
  const changed = both.bytes.slice();
  changed[changed.length - 70] = (changed[changed.length - 70] ?? 0) ^ 1;
  await assert.rejects(verify(policy, { ...both, bytes: changed }), INVALID);
  const paths = `gpgkeypath=${temp.path}/origin.trustedkeys.gpg\nsign-verify=true`;
  const strict = await policyOf(`${paths}\nverification-ed25519-key=${ED25519}`);
  assert.equal((await verify(strict, both)).length, 2);
  const wrong = await policyOf(`${paths}\nverification-ed25519-key=${OTHER_KEY}`);
  await assert.rejects(verify(wrong, both), INVALID);
});

test('GPG verification of a remote is on by default, and fails if its keys cannot be read', async () => {
  using temp = makeTempDir();
  await assert.rejects(policyOf(''), NO_KEYS);
  await assert.rejects(policyOf(`gpgkeypath=${temp.path}/none`), NO_KEYS);
  writeFileSync(`${temp.path}/junk`, 'junk');
  await assert.rejects(policyOf(`gpgkeypath=${temp.path}/junk`), { code: 'OSTREE_KEY_INVALID' });
  assert.deepEqual((await policyOf('gpg-verify=false')).commitGates, []);
});

test('keys of the request form one gate for GPG and one for all other keys', async () => {
  const other = await gatesOfKeys([], [OTHER_KEY, ED25519]);
  assert.deepEqual(await verify({ commitGates: other }, onlyEd25519), [ED25519]);
  const all = await gatesOfKeys([GPG], [ED25519]);
  assert.equal((await verify({ commitGates: all }, both)).length, 2);
  await assert.rejects(verify({ commitGates: all }, onlyEd25519), MISSING);
  const wrong = await gatesOfKeys([], [OTHER_KEY]);
  await assert.rejects(verify({ commitGates: wrong }, both), INVALID);
  const { publicKey } = generateKeyPairSync('ed25519');
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const spki = await gatesOfKeys([], [pem]);
  await assert.rejects(verify({ commitGates: spki }, both), MISSING);
  await assert.rejects(gatesOfKeys([], ['']), { code: 'OSTREE_KEY_INVALID' });
  await assert.rejects(gatesOfKeys([], ['%%%']), { code: 'OSTREE_KEY_INVALID' });
});

test('summaries are verified separately, by either scheme', async () => {
  using temp = makeTempDir();
  mkdirSync(`${temp.path}/trusted.gpg.d`);
  writeFileSync(`${temp.path}/trusted.gpg.d/key.gpg`, GPG);
  const summary = files.get('summary')?.bytes as Uint8Array;
  const byEd25519 = files.get('summary.sig')?.bytes;
  const byGpg = readTarFixture('ostree/mini.tar.gz').get('fxmini/summary.sig.gpg-only')?.bytes;
  const sign = await policyOf(
    `gpg-verify=false\nsign-verify-summary=true\nverification-ed25519-key=${ED25519}`,
  );
  assert.deepEqual(await passGates(summary, byEd25519, sign.summaryGates, 'summary'), [ED25519]);
  await assert.rejects(passGates(summary, byGpg, sign.summaryGates, 'summary'), MISSING);
  const gpg = await policyOf('gpg-verify=false\ngpg-verify-summary=true', [temp.path]);
  assert.equal((await passGates(summary, byGpg, gpg.summaryGates, 'summary')).length, 1);
  const other = summary.slice(1);
  await assert.rejects(passGates(other, byGpg, gpg.summaryGates, 'summary'), INVALID);
  assert.deepEqual(gpg.commitGates, []);
});

test('a configured remote is found by its name in a configuration file, with the keyring beside it', async () => {
  using temp = makeTempDir();
  const config = `${temp.path}/config`;
  writeFileSync(config, '[remote "origin"]\nurl=http://127.0.0.1/repo\ngpg-verify=true\n');
  const places = { system: [] };
  await assert.rejects(openConfiguredRemote(config, 'origin', places), NO_KEYS);
  writeFileSync(`${temp.path}/origin.trustedkeys.gpg`, GPG);
  const { source, trust } = await openConfiguredRemote(config, 'origin', places);
  assert.equal(source.url, 'http://127.0.0.1/repo');
  assert.equal((await verify(trust, both)).length, 1);
  for (const [path, name] of [
    [config, 'other'],
    [`${temp.path}/none`, 'origin'],
  ] as const) {
    await assert.rejects(openConfiguredRemote(path, name, places), {
      code: 'OSTREE_REMOTE_NOT_FOUND',
    });
  }
});

test('files that are no keyrings are ignored: only *.gpg of the system folder, only keys of gpgkeypath', async () => {
  using temp = makeTempDir();
  const folder = `${temp.path}/trusted.gpg.d`;
  mkdirSync(folder);
  writeFileSync(`${folder}/README-gpg`, 'Put keyrings here\n');
  for (const other of ['key.asc', 'trustdb.gpg', 'secring.gpg'])
    writeFileSync(`${folder}/${other}`, GPG);
  await assert.rejects(policyOf('', [temp.path]), NO_KEYS);
  const paths = `gpgkeypath=${folder}`;
  assert.equal((await verify(await policyOf(paths), both)).length, 1);
  writeFileSync(`${folder}/key.gpg`, OTHER_GPG);
  await assert.rejects(verify(await policyOf('', [temp.path]), both), INVALID);
  // Blocks one after the other in one file are all read, and words around them are not.
  writeFileSync(`${folder}/key.gpg`, Buffer.concat([Buffer.from('Two keys\n'), OTHER_GPG, GPG]));
  assert.equal((await verify(await policyOf('', [temp.path]), both)).length, 1);
  for (const name of ['key.asc', 'trustdb.gpg', 'secring.gpg', 'key.gpg'])
    rmSync(`${folder}/${name}`);
  symlinkSync('README-gpg', `${folder}/key.gpg`);
  await assert.rejects(policyOf(paths, [temp.path]), NO_KEYS);
});

test('a local repository must have a signed summary that lists the ref, if the policy verifies summaries', async () => {
  using fixture = unpackOstree('mini');
  using temp = await makeTempRepository();
  const path = `${fixture.path}/fxmini/r-signed`;
  const pull = async (key: string) => {
    const settings = {
      signVerifySummary: true,
      keys: { ed25519: { trusted: parseEd25519Keys(key) } },
    };
    const trust = await createTrustPolicy(settings);
    return await pullCommit(temp.repository, { kind: 'local', path }, 'test/v1', { trust });
  };
  const { commit } = await pull(ED25519);
  await assert.rejects(pull(OTHER_KEY), INVALID);
  const other = readFileSync(`${path}/refs/heads/test/main`, 'latin1');
  assert.notEqual(other.trim(), commit);
  writeFileSync(`${path}/refs/heads/test/v1`, other);
  assert.equal((await pull(ED25519)).commit, commit);
  rmSync(`${path}/summary.sig`);
  await assert.rejects(pull(ED25519), MISSING);
  rmSync(`${path}/summary`);
  await assert.rejects(pull(ED25519), MISSING);
});

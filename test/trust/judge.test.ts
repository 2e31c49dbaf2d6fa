import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type ContentDigest, parseContentDigest } from '#base/digest';
import { hasCode, isOnecopyError, type OnecopyError, TransportError } from '#base/errors';
import { type Descriptor, parseImageName } from '#formats/oci';
import { Dir } from '#host';
import { ConfigRoot } from '#work/registries';
import {
  type AttachmentStore,
  judgeLocalImage,
  judgeRegistryImage,
  openTrust,
  type TrustOptions,
  type TrustReport,
} from '#work/trust';
import { RecordedAttachments, trustManifest } from '../support/attachment-registry.ts';
import { makeMemoryDir } from '../support/temp-dir.ts';

const GOLDEN = fileURLToPath(new URL('../golden/trust', import.meta.url));
/** Below the root of the test. */
const KEY = '/keys/k1.pub';
const MANIFEST = parseContentDigest(
  'sha256:434af93a994f724fcfd9fe76c144110a18075c99b252cad350780bfb15795a5d',
);
const ON = { 'registries.d/a.yaml': 'default-docker: {use-sigstore-attachments: true}' };

const signedBy = (more: object = {}) => [{ type: 'sigstoreSigned', keyPath: KEY, ...more }];
const policyOf = (requirements: readonly object[]) => ({
  'policy.json': JSON.stringify({ default: requirements }),
});

interface Setting {
  readonly files: Readonly<Record<string, string>>;
  readonly options?: TrustOptions;
  readonly store?: AttachmentStore;
  readonly signal?: AbortSignal;
}

/** A folder that stands for `/`, with the key in it. */
function rootWith(folder: string, files: readonly (readonly [string, string])[]): ConfigRoot {
  const key = readFileSync(`${GOLDEN}${KEY}`, 'utf8');
  for (const [name, text] of [...files, [KEY, key] as const]) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  return new ConfigRoot(Dir.open(folder), '/');
}

/** Judges an image of the recorded registry under files of a fresh home. */
async function judge(repository: string, setting: Setting): Promise<TrustReport> {
  using temp = makeMemoryDir();
  using root = rootWith(
    temp.path,
    Object.entries(setting.files).map(([name, text]) => [`home/.config/containers/${name}`, text]),
  );
  const env = { uid: 4242, home: '/home', variables: {} };
  const trust = openTrust(root, env, setting.options);
  const name = parseImageName(`r.test/${repository}:1`);
  const endpoint = { host: name.registry, repository: name.repository };
  const found = trustManifest(repository, '1');
  const manifests = [parseContentDigest(found?.digest ?? '')];
  const store = setting.store ?? new RecordedAttachments(repository);
  const options = setting.signal === undefined ? {} : { signal: setting.signal };
  return await judgeRegistryImage(trust, { name, endpoint, manifests, store }, options);
}

async function refusalOf(running: Promise<unknown>): Promise<OnecopyError> {
  try {
    await running;
  } catch (error) {
    if (isOnecopyError(error)) return error;
    throw error;
  }
  throw new assert.AssertionError({ message: 'expected a refusal, found an acceptance' });
}

const EXACT = { type: 'exactRepository', dockerRepository: 'registry.example/team/app' };

test('an acceptance states policy, scope, key, signed name and place of the signature', async () => {
  const report = await judge('team/app', {
    files: { ...policyOf(signedBy({ signedIdentity: EXACT })), ...ON },
  });
  assert.ok(report.policy !== 'none');
  assert.match(report.policy.file, /\.config\/containers\/policy\.json$/);
  assert.equal(report.policy.scope, 'default');
  const [{ digest, requirements } = { digest: undefined, requirements: [] }] = report.manifests;
  assert.equal(digest, MANIFEST);
  const [first] = requirements;
  assert.ok(first?.type === 'sigstoreSigned');
  assert.equal(first.key.source, KEY);
  assert.match(first.key.fingerprint, /^sha256:[0-9a-f]{64}$/);
  assert.equal(first.signedIdentity, 'registry.example/team/app:1');
  assert.match(first.place, /^tag sha256-434af93a.*\.sig, layer 1$/);
  assert.equal(report.isWiderThanPodman, false);
});

test('signatures are not requested if no requirement needs them', async () => {
  for (const [requirements, isAccepted] of [
    [[{ type: 'insecureAcceptAnything' }], true],
    [[...signedBy(), { type: 'reject' }], false],
    [[...signedBy(), { type: 'signedBy', keyType: 'GPGKeys', keyPath: '/k' }], false],
  ] as const) {
    const store = new RecordedAttachments('team/app');
    const running = judge('team/app', { files: { ...policyOf(requirements), ...ON }, store });
    if (isAccepted) await running;
    else assert.ok(hasCode(await refusalOf(running), 'IMAGE_REJECTED'));
    assert.deepEqual(store.asked, []);
  }
});

test('a host without a policy accepts, and refuses if a policy is required', async () => {
  const report = await judge('team/unsigned', { files: {} });
  assert.equal(report.policy, 'none');
  const error = await refusalOf(judge('team/app', { files: {}, options: { requirePolicy: true } }));
  assert.ok(hasCode(error, 'POLICY_NOT_FOUND') && error.details['class'] === 'policy-missing');
});

test('a broken policy file of the user is refused, without a fallback to that of the host', async () => {
  const error = await refusalOf(judge('team/app', { files: { 'policy.json': '{' } }));
  assert.ok(hasCode(error, 'POLICY_INVALID'));
});

test('the refusal of an unsigned image names the file that turned signatures off', async () => {
  const off = { 'registries.d/off.yaml': 'docker: {r.test: {use-sigstore-attachments: false}}' };
  const byFile = await refusalOf(judge('team/app', { files: { ...policyOf(signedBy()), ...off } }));
  assert.equal(byFile.details['class'], 'no-signature');
  assert.match(byFile.hint ?? '', /off\.yaml" turns signatures off for r\.test/);
  const byNobody = await refusalOf(judge('team/app', { files: policyOf(signedBy()) }));
  assert.match(byNobody.hint ?? '', /no file of registries\.d/);
  const isOn = await refusalOf(
    judge('team/unsigned', { files: { ...policyOf(signedBy()), ...ON } }),
  );
  assert.equal(isOn.hint, undefined);
});

test('the refusal of a cosign signature hints at the identities that match', async () => {
  const error = await refusalOf(judge('id/no-tag', { files: { ...policyOf(signedBy()), ...ON } }));
  assert.equal(error.details['class'], 'identity-mismatch');
  assert.match(error.hint ?? '', /matchRepository or exactRepository/);
});

test('a signature stored as a referrer counts only if the user allows it, and is marked', async () => {
  const identity = { type: 'exactRepository', dockerRepository: 'registry.example/sig/referrer' };
  const files = { ...policyOf(signedBy({ signedIdentity: identity })), ...ON };
  const error = await refusalOf(judge('sig/referrer', { files }));
  assert.equal(error.details['class'], 'no-signature');
  assert.match(error.message, /a signature that is a referrer/);
  const report = await judge('sig/referrer', { files, options: { acceptReferrers: true } });
  assert.equal(report.isWiderThanPodman, true);
  const [requirement] = report.manifests[0]?.requirements ?? [];
  assert.ok(requirement?.type === 'sigstoreSigned' && requirement.by === 'referrer');
});

test('a referrer of another manifest does not count', async () => {
  const store = new RecordedAttachments('sig/referrer');
  const other = parseContentDigest(`sha256:${'0'.repeat(64)}`);
  const lying: AttachmentStore = {
    readManifest: (reference) => store.readManifest(reference),
    readBlob: (blob) => store.readBlob(blob),
    listReferrers: () => store.listReferrers(MANIFEST),
  };
  using temp = makeMemoryDir();
  writeFileSync(join(temp.path, 'p.json'), policyOf(signedBy())['policy.json']);
  writeFileSync(join(temp.path, 'a.yaml'), ON['registries.d/a.yaml']);
  using root = ConfigRoot.open('/');
  const trust = openTrust(
    root,
    { uid: 0, home: '/none', variables: {} },
    {
      signaturePolicy: join(temp.path, 'p.json'),
      registriesD: temp.path,
      acceptReferrers: true,
    },
  );
  const name = parseImageName('registry.example/sig/referrer:1');
  const endpoint = { host: name.registry, repository: name.repository };
  const error = await refusalOf(
    judgeRegistryImage(trust, { name, endpoint, manifests: [other], store: lying }),
  );
  assert.equal(error.details['class'], 'no-signature');
});

test('a sigstore bundle is refused with its name', async () => {
  for (const acceptReferrers of [false, true]) {
    const files = { ...policyOf(signedBy({ signedIdentity: { type: 'matchRepository' } })), ...ON };
    const error = await refusalOf(judge('sig/bundle', { files, options: { acceptReferrers } }));
    assert.equal(error.details['class'], 'no-signature');
    assert.match(error.message, /sigstore bundle: carries no identity/);
  }
});

/** The recorded registry with one answer changed. */
function broken(change: Partial<AttachmentStore>): AttachmentStore {
  const store = new RecordedAttachments('team/app');
  return {
    readManifest: (reference) => store.readManifest(reference),
    readBlob: (blob: Descriptor) => store.readBlob(blob),
    listReferrers: (manifest: ContentDigest) => store.listReferrers(manifest),
    ...change,
  };
}

test('unreadable signatures are refused with the cause, and do not count as absent', async () => {
  const url = 'https://r.test/';
  const denied = new TransportError('HTTP_DENIED', 'Cannot read', {
    url,
    status: 401,
    retryable: false,
  });
  const html = { mediaType: 'text/html', bytes: Buffer.from('<html>') };
  const stores = [
    broken({ readManifest: async () => Promise.reject(denied) }),
    broken({ readManifest: async () => html }),
    broken({ readBlob: async () => Promise.reject(denied) }),
    broken({ readBlob: async () => Buffer.from('another payload') }),
  ];
  for (const store of stores) {
    const files = { ...policyOf(signedBy({ signedIdentity: EXACT })), ...ON };
    const error = await refusalOf(judge('team/app', { files, store }));
    assert.ok(hasCode(error, 'IMAGE_REJECTED') && error.exitCode === 12);
    assert.equal(error.details['class'], 'attachments-unreadable');
    assert.ok(error.cause !== undefined);
  }
});

test('an internal failure is not reported as a verdict', async () => {
  const store = broken({ readBlob: async () => Promise.reject(new RangeError('bug')) });
  const files = { ...policyOf(signedBy()), ...ON };
  await assert.rejects(judge('team/app', { files, store }), RangeError);
});

test('an abort ends a judgement with its reason', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const store = broken({
    readManifest: async () => {
      controller.abort(reason);
      throw new TransportError('CONNECTION_LOST', 'Cannot read', { url: '', retryable: true });
    },
  });
  const files = { ...policyOf(signedBy()), ...ON };
  await assert.rejects(judge('team/app', { files, store, signal: controller.signal }), reason);
});

test('dir: is accepted by an exact name only, and one broken signature file is refused', async () => {
  using temp = makeMemoryDir();
  using root = ConfigRoot.open('/');
  const judgeDir = (identity: object, path: string) => {
    const policy = join(temp.path, 'policy.json');
    const keyPath = `${GOLDEN}${KEY}`;
    writeFileSync(policy, policyOf(signedBy({ keyPath, signedIdentity: identity }))['policy.json']);
    const trust = openTrust(
      root,
      { uid: 0, home: '/none', variables: {} },
      { signaturePolicy: policy },
    );
    return judgeLocalImage(trust, { reference: { transport: 'dir', path }, manifests: [MANIFEST] });
  };
  const report = await judgeDir(EXACT, `${GOLDEN}/dirs/signed`);
  const [requirement] = report.manifests[0]?.requirements ?? [];
  assert.ok(requirement?.type === 'sigstoreSigned' && requirement.by === 'file');
  const unsigned = await refusalOf(judgeDir(EXACT, `${GOLDEN}/dirs/unsigned`));
  assert.equal(unsigned.details['class'], 'no-signature');
  writeFileSync(join(temp.path, 'signature-1'), '\0sigstore-json\n{}');
  const unreadable = await refusalOf(judgeDir(EXACT, temp.path));
  assert.equal(unreadable.details['class'], 'attachments-unreadable');
});

test('an archive is matched by its path and parent folders; docker-archive: by its transport only', async () => {
  using temp = makeMemoryDir();
  using root = ConfigRoot.open('/');
  const archive = join(temp.path, 'a.tar');
  writeFileSync(archive, '');
  const accept = [{ type: 'insecureAcceptAnything' }];
  const policy = join(temp.path, 'policy.json');
  const transports = { 'oci-archive': { [temp.path]: accept }, 'docker-archive': { '': accept } };
  writeFileSync(policy, JSON.stringify({ default: [{ type: 'reject' }], transports }));
  const trust = openTrust(
    root,
    { uid: 0, home: '/none', variables: {} },
    { signaturePolicy: policy },
  );
  for (const [transport, scope] of [
    ['oci-archive', `oci-archive "${temp.path}"`],
    ['docker-archive', 'docker-archive ""'],
  ] as const) {
    const reference = { transport, path: archive };
    const report = await judgeLocalImage(trust, { reference, manifests: [MANIFEST] });
    assert.ok(report.policy !== 'none' && report.policy.scope === scope);
  }
  const reference = { transport: 'oci', path: temp.path } as const;
  const error = await refusalOf(judgeLocalImage(trust, { reference, manifests: [MANIFEST] }));
  assert.equal(error.details['class'], 'rejected');
});

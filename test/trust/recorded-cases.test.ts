/** Every recorded case of image trust: accepted or refused as there, with the class of the reason. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { computeContentDigest } from '#base/digest';
import { hasCode, isOnecopyError } from '#base/errors';
import type { ConfigEnvironment } from '#formats/containers-config';
import { parseReference, type RegistryReference } from '#formats/oci';
import { RegistryRepository } from '#remotes/registry';
import {
  ConfigRoot,
  openRegistryConfiguration,
  type RegistryConfiguration,
} from '#work/registries';
import {
  type HostTrust,
  judgeLocalImage,
  judgeRegistryImage,
  openTrust,
  type TrustOptions,
  type TrustReport,
} from '#work/trust';
import { fillRegistry, trustBlob, trustManifest } from '../support/attachment-registry.ts';
import { FakeRegistry } from '../support/fake-registry.ts';
import { MemoryRegistry } from '../support/memory-registry.ts';
import { makeMemoryDir } from '../support/temp-dir.ts';

interface TrustCase {
  readonly id: string;
  readonly reference: string;
  readonly policy: string | null;
  readonly 'registries.d': Readonly<Record<string, string>> | null;
  readonly flags?: readonly string[];
  readonly skopeo: { readonly result: string; readonly class?: string };
  readonly ours?: { readonly result: string; readonly class?: string | readonly string[] };
}

const GOLDEN = fileURLToPath(new URL('../golden/trust/', import.meta.url)).replace(/\/$/, '');
const REGISTRY = 'reg.test:5000';
const CASES = JSON.parse(readFileSync(`${GOLDEN}/cases.json`, 'utf8')) as readonly TrustCase[];
const ENV: ConfigEnvironment = { uid: 0, home: '/nowhere', variables: {} };

function fill(text: string): string {
  const base64 = (name: string) => readFileSync(`${GOLDEN}/keys/${name}`).toString('base64');
  return text
    .replaceAll('{KEYS}', `${GOLDEN}/keys`)
    .replaceAll('{DIRS}', `${GOLDEN}/dirs`)
    .replaceAll('{LOOKASIDE}', `${GOLDEN}/lookaside`)
    .replaceAll('{REGISTRY}', REGISTRY)
    .replace(/\{BASE64:([^}]+)\}/g, (_, name: string) => base64(name))
    .replace(/\{BASE64NL:([^}]+)\}/g, (_, name: string) =>
      base64(name).replace(/(.{40})/g, '$1\\n'),
    )
    .replace(/\{DIGEST:([^:}]+):([^}]+)\}/g, (_, repository: string, tag: string) => {
      return trustManifest(repository, tag)?.digest ?? 'none';
    });
}

/** What becomes of an image: accepted with a report, or the class of the refusal. */
type Outcome = { readonly report: TrustReport } | { readonly class: string };

const memory = new MemoryRegistry();
const server = await FakeRegistry.start(memory.handler);
after(() => server[Symbol.asyncDispose]());
fillRegistry(memory);

/** Judges an image of the recorded registry as a pull would: resolved and signatures fetched by the client, at the rewritten location. */
async function judgeServed(
  trust: HostTrust,
  configuration: RegistryConfiguration,
  name: RegistryReference,
  all: boolean,
): Promise<TrustReport> {
  const endpoints = configuration
    .endpointsFor(name)
    .map((endpoint) => configuration.clientEndpoint(endpoint, name.registry));
  await using store = new RegistryRepository(endpoints, { resolve: server.resolve });
  const wanted =
    name.digest === undefined ? { tag: name.tag ?? 'latest' } : { digest: name.digest };
  const { document } = await store.requireManifest(wanted);
  const platform = { os: 'linux', architecture: 'amd64' };
  const manifests =
    all && document.kind === 'index'
      ? document.manifests.map(({ digest }) => digest)
      : [(await store.resolve(wanted, { platform })).manifest.digest];
  const { endpoint } = store;
  assert.equal(endpoint.host, REGISTRY);
  return await judgeRegistryImage(trust, { name, endpoint, manifests, store });
}

async function outcomeOf(one: TrustCase, more: TrustOptions = {}): Promise<Outcome> {
  using temp = makeMemoryDir();
  const files: Readonly<Record<string, string>> = {
    'registries.conf': readFileSync(`${GOLDEN}/registries.conf`, 'utf8'),
    ...(one.policy === null ? {} : { 'policy.json': one.policy }),
  };
  for (const [name, text] of Object.entries(files))
    writeFileSync(join(temp.path, name), fill(text));
  mkdirSync(join(temp.path, 'registries.d'));
  for (const [name, text] of Object.entries(one['registries.d'] ?? {})) {
    writeFileSync(join(temp.path, 'registries.d', name), fill(text));
  }
  using root = ConfigRoot.open('/');
  try {
    const trust = openTrust(root, ENV, {
      signaturePolicy: join(temp.path, 'policy.json'),
      registriesD: join(temp.path, 'registries.d'),
      ...more,
    });
    const reference = parseReference(fill(one.reference));
    if (reference.transport !== 'docker') {
      assert.ok(reference.transport === 'dir' || reference.transport === 'oci');
      const bytes =
        reference.transport === 'dir'
          ? readFileSync(`${reference.path}/manifest.json`)
          : trustBlob('sha256:434af93a994f724fcfd9fe76c144110a18075c99b252cad350780bfb15795a5d');
      return {
        report: await judgeLocalImage(trust, {
          reference,
          manifests: [computeContentDigest(bytes)],
        }),
      };
    }
    const registriesConf = join(temp.path, 'registries.conf');
    const configuration = await openRegistryConfiguration(root, ENV, { registriesConf });
    const all = one.flags?.includes('--all') === true;
    return { report: await judgeServed(trust, configuration, reference, all) };
  } catch (error) {
    if (hasCode(error, 'REFERENCE_INVALID')) return { class: 'reference-invalid' };
    if (hasCode(error, 'MANIFEST_NOT_FOUND')) return { class: 'manifest-unknown' };
    if (!isOnecopyError(error)) throw error;
    return { class: String(error.details['class']) };
  }
}

test('there are 185 cases, of which 66 were accepted', () => {
  assert.equal(CASES.length, 185);
  assert.equal(CASES.filter(({ skopeo }) => skopeo.result === 'accepted').length, 66);
});

for (const one of CASES) {
  test(`trust case ${one.id}: the verdict is the recorded one`, async () => {
    const outcome = await outcomeOf(one);
    const wanted = one.ours ?? one.skopeo;
    const found = 'report' in outcome ? 'accepted' : outcome.class;
    if (wanted.result === 'either') {
      assert.ok(found === 'accepted' || found === one.skopeo.class);
    } else if (wanted.result === 'accepted') {
      assert.equal(found, 'accepted');
    } else {
      assert.ok([wanted.class].flat().includes(found), `expected ${wanted.class}, found ${found}`);
    }
  });
}

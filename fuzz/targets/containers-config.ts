// Invariant: any text is a registries.conf, auth.json or registries.d that decides for every name, or one of our errors.
import { isOnecopyError } from '#base/errors';
import {
  chooseAttachments,
  chooseEndpoints,
  encodeWithEntry,
  findCredentials,
  mergeRegistries,
  parseAttachmentFiles,
  parseAuthFile,
  parseRegistriesFile,
  resolveShortName,
} from '#formats/containers-config';
import { parseImageName } from '#formats/oci';

/** Name of the target and of its folder of inputs. */
export const name = 'containers-config';

const NAMES = [
  'a.test/ns/img:1',
  'x.a.test:5000/img',
  'alpine',
  `a.test/i@sha256:${'0'.repeat(64)}`,
];

/** One file of each kind. */
export function seeds(): readonly Uint8Array[] {
  const texts = [
    'unqualified-search-registries = ["a.test"]\nshort-name-mode = "permissive"\n[[registry]]\nprefix = "*.a.test"\nlocation = "b.test/x"\ninsecure = true\n[[registry.mirror]]\nlocation = "c.test"\npull-from-mirror = "tag-only"\n[aliases]\nalpine = "d.test/alpine"\n',
    '[registries.search]\nregistries = ["a.test"]\n[registries.block]\nregistries = ["b.test"]\n',
    '{"auths":{"a.test/ns":{"auth":"dTpw"},"https://a.test/v1/":{"identitytoken":"t"}},"credHelpers":{"b.test":"x"},"credsStore":"y"}',
    'default-docker: {use-sigstore-attachments: yes}\ndocker:\n  a.test/ns:\n    lookaside: file:///l\n  "*.test": {use-sigstore-attachments: off} # c\n',
  ];
  return texts.map((text) => Buffer.from(text));
}

/** Gives the text to every parser, and asks what it says. */
export async function run(bytes: Uint8Array): Promise<void> {
  const text = Buffer.from(bytes).toString('utf8');
  const file = { name: 'file', text };
  await guarded(async () => {
    const config = mergeRegistries([await parseRegistriesFile(file)]);
    for (const written of NAMES) {
      await guarded(() => chooseEndpoints(config, parseImageName(written)));
      await guarded(() => resolveShortName(config, written));
    }
  });
  await guarded(async () => {
    const auth = parseAuthFile(file);
    parseAuthFile({
      name: 'written',
      text: encodeWithEntry(auth, 'a', { user: 'u', password: 'p' }),
    });
    for (const registry of ['a.test', 'docker.io']) {
      await guarded(() => findCredentials(auth, { registry, repository: 'ns/img' }));
    }
  });
  await guarded(async () =>
    chooseAttachments(await parseAttachmentFiles([file]), ['a.test/ns', '*.test']),
  );
  await guarded(() => parseImageName(text));
}

async function guarded(act: () => unknown): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
  }
}

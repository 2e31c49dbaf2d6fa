import type { ContentDigest } from '#base/digest';
import type { ContainersReference } from '#formats/oci';
import { locateStore } from '#work/containers';
import { ConfigRoot, hostEnvironment } from '#work/registries';
import { type JudgeOptions, judge } from './judge.ts';
import { openTrust, type TrustOptions } from './open.ts';
import type { TrustReport } from './report.ts';

/**
 * Asks the policy about an image of containers-storage. Its scopes begin with the store, `[DRIVER@ROOT]` or `[ROOT]`; there are no signatures
 * to look at, so a rule that wants some refuses.
 * @throws IntegrityError IMAGE_REJECTED; as `openTrust` and `locateStore`
 */
export async function judgeStoredImage(
  reference: ContainersReference,
  manifest: ContentDigest,
  options: TrustOptions,
  judgeOptions: JudgeOptions,
): Promise<TrustReport> {
  using root = ConfigRoot.open(process.cwd());
  const trust = openTrust(root, hostEnvironment(), options);
  const { driver = 'overlay', graphRoot } = await locateStore(reference);
  const stores = [`[${driver}@${graphRoot}]`, `[${graphRoot}]`];
  const subject = {
    label: `containers-storage:${reference.name}`,
    transport: 'containers-storage',
    name: undefined,
    scopes: [...stores.map((store) => `${store}${reference.name}`), ...stores],
    manifests: [manifest],
    attachments: undefined,
    signaturesOf: async () => [],
    describe: async () => [],
  };
  return await judge(trust, subject, judgeOptions);
}

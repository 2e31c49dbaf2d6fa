import { byteStringFromText, bytesOf } from '#base/bytes';
import type { ContentDigest } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import type { AttachmentChoice } from '#formats/containers-config';
import {
  type Acceptance,
  type AttachedSignature,
  findRule,
  type JudgedImage,
  judgeImage,
  keyFilesOf,
  needsSignatures,
  type PolicyRule,
  parseSignatureFile,
  refuseWithoutSignatures,
  scopesOfName,
  scopesOfPath,
} from '#formats/image-trust';
import { formatImageName, type ImageName, type LocalReference } from '#formats/oci';
import { Dir, OPEN, resolvedPathOf } from '#host';
import type { Endpoint } from '#remotes/registry';
import { readSignatureFiles } from '#stores/oci-layout';
import {
  type AttachmentStore,
  describeReferrers,
  fetchReferringSignatures,
  fetchTaggedSignatures,
} from './attachments.ts';
import type { HostTrust } from './open.ts';
import { imageRejected, type RefusedImage, type TrustReport } from './report.ts';

/** An image in a registry, before it is stored. */
export interface RegistryQuestion {
  /** The name that the user wrote, after resolving short names: the policy applies to it. */
  readonly name: ImageName;
  /** The endpoint that delivered the manifest: registries.d and the location of signatures apply to it. */
  readonly endpoint: Pick<Endpoint, 'host' | 'repository'>;
  /** The sha256 digest of each platform's manifest that will be stored; never of the index. */
  readonly manifests: readonly ContentDigest[];
  readonly store: AttachmentStore;
}

/** An image of a layout, directory or archive. */
export interface LocalQuestion {
  readonly reference: LocalReference;
  /** The sha256 digest of each platform's manifest that will be stored. */
  readonly manifests: readonly ContentDigest[];
}

/** The last parameter of both judgements. */
export interface JudgeOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks the policy about an image of a registry; all platforms are judged before this returns. Signatures are fetched only when a requirement
 * needs them.
 * @throws IntegrityError IMAGE_REJECTED with its class; FormatError CONFIG_INVALID for registries.d; the reason of the signal
 */
export async function judgeRegistryImage(
  trust: HostTrust,
  question: RegistryQuestion,
  options: JudgeOptions = {},
): Promise<TrustReport> {
  const { name, endpoint, store } = question;
  // Read even when no signature is asked for: a broken file stops every use of a registry.
  const { host: registry, repository } = endpoint;
  const attachments = await trust.attachmentsAt({ ...name, registry, repository });
  const signaturesOf = async (manifest: ContentDigest): Promise<readonly AttachedSignature[]> => {
    if (!attachments.isOn) return [];
    const tagged = await fetchTaggedSignatures(store, manifest, options);
    if (!trust.acceptsReferrers) return tagged;
    return [...tagged, ...(await fetchReferringSignatures(store, manifest, options))];
  };
  const subject = {
    label: `docker://${formatImageName(name)}`,
    transport: 'docker',
    name,
    scopes: scopesOfName(name),
    manifests: question.manifests,
    attachments,
    signaturesOf,
    describe: (manifest: ContentDigest) =>
      attachments.isOn ? describeReferrers(store, manifest, options) : Promise.resolve([]),
  };
  return await judge(trust, subject, options);
}

/**
 * Asks the policy about a local image. Only `dir:` can hold signatures, and only `exactReference` and `exactRepository` can accept them, because
 * there is no name.
 * @throws IntegrityError IMAGE_REJECTED with its class; HostError SYSCALL_FAILED
 */
export function judgeLocalImage(
  trust: HostTrust,
  question: LocalQuestion,
  options: JudgeOptions = {},
): Promise<TrustReport> {
  const { transport, path } = question.reference;
  const subject = {
    label: `${transport}:${path}`,
    transport,
    name: undefined,
    scopes: transport === 'docker-archive' ? [] : scopesOfPath(resolvePath(question.reference)),
    manifests: question.manifests,
    attachments: undefined,
    signaturesOf: async () => (transport === 'dir' ? readLocalSignatures(path) : []),
    describe: async () => [],
  };
  return judge(trust, subject, options);
}

/** What is asked of a policy. */
export interface Subject {
  readonly label: string;
  readonly transport: string;
  readonly name: ImageName | undefined;
  readonly scopes: readonly string[];
  readonly manifests: readonly ContentDigest[];
  readonly attachments: AttachmentChoice | undefined;
  readonly signaturesOf: (manifest: ContentDigest) => Promise<readonly AttachedSignature[]>;
  /** What else lies beside a manifest, for a refusal. */
  readonly describe: (manifest: ContentDigest) => Promise<readonly string[]>;
}

/** Asks the policy about the manifests of a subject. @throws IntegrityError IMAGE_REJECTED; the reason of the signal */
export async function judge(
  trust: HostTrust,
  subject: Subject,
  options: JudgeOptions,
): Promise<TrustReport> {
  if (trust.policy === undefined) {
    return { policy: 'none', manifests: [], isWiderThanPodman: false };
  }
  const rule = findRule(trust.policy, subject.transport, subject.scopes);
  const { label, attachments } = subject;
  const refused: RefusedImage = { label, manifest: undefined, rule, attachments, referrers: [] };
  const early = refuseWithoutSignatures(rule);
  if (early !== undefined) throw imageRejected(refused, early);
  const manifests: { digest: ContentDigest; requirements: Acceptance['requirements'] }[] = [];
  for (const digest of subject.manifests) {
    options.signal?.throwIfAborted();
    const image = await gather(trust, subject, { ...refused, manifest: digest }, digest, options);
    const verdict = judgeImage(rule, image);
    if (!verdict.isAccepted) {
      const isUnsigned = verdict.class === 'no-signature';
      const referrers = isUnsigned ? await subject.describe(digest) : [];
      throw imageRejected({ ...refused, manifest: digest, referrers }, verdict);
    }
    manifests.push({ digest, requirements: verdict.requirements });
  }
  return {
    policy: { file: rule.file, scope: rule.scope },
    manifests,
    isWiderThanPodman: manifests.some(({ requirements }) =>
      requirements.some((one) => one.type === 'sigstoreSigned' && one.by === 'referrer'),
    ),
  };
}

/** What the judgement needs: signatures when a requirement looks at them, and keys when there are signatures. */
async function gather(
  trust: HostTrust,
  subject: Subject,
  refused: RefusedImage,
  manifest: ContentDigest,
  options: JudgeOptions,
): Promise<JudgedImage> {
  const { name } = subject;
  const { rule } = refused;
  const none = { name, manifest, signatures: [], keyFiles: new Map<string, string>() };
  if (!needsSignatures(rule)) return none;
  let signatures: readonly AttachedSignature[];
  try {
    signatures = await subject.signaturesOf(manifest);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!isOnecopyError(error)) throw error;
    throw imageRejected(refused, unreadable(rule, error.message), error);
  }
  if (signatures.length === 0) return none;
  return { name, manifest, signatures, keyFiles: trust.readKeys(keyFilesOf(rule)) };
}

function unreadable(rule: PolicyRule, message: string) {
  const first = rule.requirements.findIndex(({ type }) => type === 'sigstoreSigned');
  return {
    class: 'attachments-unreadable',
    requirement: first + 1,
    reason: `the signatures cannot be read: ${message}`,
    faults: [],
  } as const;
}

function readLocalSignatures(path: string): readonly AttachedSignature[] {
  return readSignatureFiles(path)
    .map(({ name, bytes }) => parseSignatureFile(`file ${name}`, bytes))
    .filter((signature) => signature !== undefined);
}

/** The absolute path without symbolic links, as text: scopes of a policy are text. */
function resolvePath({ transport, path }: LocalReference): string {
  if (transport === 'dir' || transport === 'oci') {
    using directory = Dir.open(path);
    return bytesOf(resolvedPathOf(directory)).toString('utf8');
  }
  const slash = path.lastIndexOf('/');
  using parent = Dir.open(slash < 0 ? '.' : path.slice(0, slash + 1));
  using file = parent.openFile(byteStringFromText(path.slice(slash + 1)), OPEN.read);
  return bytesOf(resolvedPathOf(file)).toString('utf8');
}

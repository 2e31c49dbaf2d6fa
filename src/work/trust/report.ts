import type { ContentDigest } from '#base/digest';
import { IntegrityError } from '#base/errors';
import type { AttachmentChoice } from '#formats/containers-config';
import type {
  PolicyRule,
  Refusal,
  RefusalClass,
  SatisfiedRequirement,
  SignatureFault,
} from '#formats/image-trust';

/** Who accepted an image; plain data for reports. */
export interface TrustReport {
  /** `none` when this host has no policy at all. */
  readonly policy: 'none' | { readonly file: string; readonly scope: string };
  /** What accepted each manifest that was judged. */
  readonly manifests: readonly {
    readonly digest: ContentDigest;
    readonly requirements: readonly SatisfiedRequirement[];
  }[];
  /** A signature that podman does not read took part. */
  readonly isWiderThanPodman: boolean;
}

/** What a refusal is about. */
export interface RefusedImage {
  /** Reference or path, for people. */
  readonly label: string;
  readonly manifest: ContentDigest | undefined;
  readonly rule: PolicyRule;
  /** Absent for transports without registries.d. */
  readonly attachments: AttachmentChoice | undefined;
  /** What else lies beside the image, in words. */
  readonly referrers: readonly string[];
}

/** The error of an image that the policy does not accept. */
export function imageRejected(
  image: RefusedImage,
  refusal: Omit<Refusal, 'isAccepted'>,
  cause?: unknown,
): IntegrityError {
  const { label, rule, manifest } = image;
  const found = [refusal.reason, ...refusal.faults.map(faultText), ...image.referrers].join('; ');
  const hint = hintFor(image, refusal.class, refusal.faults);
  return new IntegrityError(
    'IMAGE_REJECTED',
    `Cannot accept "${label}": expected what requirement ${refusal.requirement} of ${rule.scope} in "${rule.file}" demands, found that ${found}`,
    {
      class: refusal.class,
      policy: rule.file,
      scope: rule.scope,
      requirement: refusal.requirement,
      reason: refusal.reason,
      signatures: refusal.faults.map(({ place, class: kind, reason }) => ({
        place,
        class: kind,
        reason,
      })),
      ...(manifest === undefined ? {} : { manifest }),
    },
    { ...(hint === undefined ? {} : { hint }), ...(cause === undefined ? {} : { cause }) },
  );
}

function faultText({ place, reason }: SignatureFault): string {
  return `${place}: ${reason}`;
}

function hintFor(
  image: RefusedImage,
  kind: RefusalClass,
  faults: readonly SignatureFault[],
): string | undefined {
  const { attachments } = image;
  if (kind === 'no-signature' && attachments !== undefined && !attachments.isOn) {
    const by =
      attachments.file === undefined
        ? 'no file of registries.d turns signatures on'
        : `"${attachments.file}" turns signatures off for ${attachments.scope}`;
    return `Signatures were not looked for, because ${by}: set use-sigstore-attachments: true`;
  }
  if (faults.some((fault) => fault.class === 'identity-mismatch' && fault.isBareRepository)) {
    return 'cosign signs repositories without tag: set signedIdentity to matchRepository or exactRepository';
  }
  return undefined;
}

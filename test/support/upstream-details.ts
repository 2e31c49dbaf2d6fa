import { BOOLEAN, STRING, variantOf } from '#formats/gvariant';
import type { SynthesisOptions } from '#work/synthesize';

/** Members of a document in the order of the model that upstream writes; a list means that each element has these members. */
interface Model {
  readonly [member: string]: true | Model | readonly [Model];
}

const DESCRIPTOR: Model = { mediaType: true, digest: true, size: true };
const MANIFEST: Model = {
  schemaVersion: true,
  mediaType: true,
  config: DESCRIPTOR,
  layers: [DESCRIPTOR],
  annotations: true,
};
const CONFIG: Model = {
  created: true,
  author: true,
  architecture: true,
  os: true,
  'os.version': true,
  variant: true,
  config: {
    User: true,
    ExposedPorts: true,
    Env: true,
    Entrypoint: true,
    Cmd: true,
    Volumes: true,
    WorkingDir: true,
    Labels: true,
    StopSignal: true,
  },
  rootfs: { type: true, diff_ids: true },
  history: [{ created: true, author: true, created_by: true, comment: true, empty_layer: true }],
};

/**
 * The metadata that the bootc branch composefs-to-ostree (f123351e) gives a commit: keys in the order of its hash table, documents written
 * anew from a typed model. Only for images with at most one member in each map.
 */
export function upstreamDetails(timestampSec: bigint): NonNullable<SynthesisOptions['details']> {
  return ({ manifestBytes, configBytes, manifestDigest }) => ({
    metadata: [
      ['ostree-ext.composefs-synthesized', variantOf(BOOLEAN, true)],
      ['ostree.bootable', variantOf(BOOLEAN, true)],
      ['ostree.manifest', variantOf(STRING, written(manifestBytes, MANIFEST))],
      ['ostree.container.image-config', variantOf(STRING, written(configBytes, CONFIG))],
      ['ostree.manifest-digest', variantOf(STRING, manifestDigest)],
    ],
    timestampSec,
  });
}

function written(bytes: Uint8Array, model: Model): string {
  return JSON.stringify(modelled(JSON.parse(Buffer.from(bytes).toString('utf8')), model));
}

function modelled(value: Record<string, unknown>, model: Model): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const [name, below] of Object.entries(model)) {
    const member = value[name];
    if (member === undefined || member === null) continue;
    if (below === true) kept[name] = member;
    else if (Array.isArray(below)) {
      const elements = member as Record<string, unknown>[];
      kept[name] = elements.map((one) => modelled(one, below[0] as Model));
    } else kept[name] = modelled(member as Record<string, unknown>, below as Model);
  }
  return kept;
}

import { type OciImage, openOciImage } from '#work/image';
import { type Action, flag } from '../context.ts';
import { UsageError } from '../output.ts';
import { openSelected } from '../repository.ts';
import { formatDigest, formatSize } from '../units.ts';

function jsonOf(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes).toString('utf8'));
}

/** `inspect`: manifest, config and ids of an image; `--manifest` and `--config` print the stored bytes. */
export const inspect: Action = async (context, [name = ''], options) => {
  if (flag(options, 'manifest') && flag(options, 'config')) {
    throw new UsageError('Cannot print both: expected one of --manifest and --config');
  }
  using repository = await openSelected(context);
  const image = openOciImage(repository, name);
  if (flag(options, 'manifest')) await context.out.bytes(image.manifest.bytes);
  else if (flag(options, 'config')) await context.out.bytes(image.configBytes);
  else if (context.out.json) context.out.document(inspection(name, image));
  else printInspection(name, image, context.out.line);
  return 0;
};

function inspection(name: string, image: OciImage) {
  return {
    name,
    kind: image.config === undefined ? 'artifact' : 'image',
    manifestDigest: image.manifestDigest,
    configDigest: image.manifest.config.digest,
    manifest: jsonOf(image.manifest.bytes),
    config: jsonOf(image.configBytes),
    imageIds: Object.fromEntries(image.images),
    reading: readingOf(image),
    streams: { manifest: image.manifestStreamId, config: image.configStreamId },
    layers: image.layers.map(({ digest, diffId, id }, index) => ({
      digest,
      diffId: diffId ?? null,
      streamId: id,
      mediaType: image.manifest.layers[index]?.mediaType ?? null,
      sizeBytes: image.manifest.layers[index]?.sizeBytes ?? null,
      blobKept: image.blobs.has(digest),
    })),
  };
}

/** Null when there is no EROFS image. */
function readingOf({ images, reading }: OciImage): string | null {
  return images.size === 0 ? null : reading;
}

function printInspection(name: string, image: OciImage, line: (text: string) => void): void {
  const { config, manifest } = image;
  line(`Name:      ${name}`);
  line(`Manifest:  ${image.manifestDigest}`);
  line(`Config:    ${manifest.config.digest}`);
  for (const [slot, id] of image.images) line(`Image:     ${id} (${slot})`);
  if (readingOf(image) !== null) {
    const how = image.reading === 'cfsctl' ? 'as cfsctl' : 'by the specifications, cfsctl differs';
    line(`Reading:   ${how}`);
  }
  if (config?.platform !== undefined) {
    line(`Platform:  ${config.platform.os}/${config.platform.architecture}`);
  }
  if (config?.created !== undefined) line(`Created:   ${config.created}`);
  for (const [index, { digest, diffId }] of image.layers.entries()) {
    line(`Layer ${index}:   ${diffId ?? digest}`);
    line(`           blob ${digest}, ${formatSize(manifest.layers[index]?.sizeBytes ?? 0)}`);
  }
  for (const [key, value] of config?.labels ?? []) line(`Label:     ${key}=${value}`);
}

/** `history`: how the image was built, newest step last, with the layer that each step made. */
export const history: Action = async (context, [name = '']) => {
  using repository = await openSelected(context);
  const image = openOciImage(repository, name);
  let layer = 0;
  const steps = (image.config?.history ?? []).map((step) => {
    const index = step.emptyLayer ? undefined : layer++;
    return {
      created: step.created ?? null,
      createdBy: step.createdBy ?? null,
      comment: step.comment ?? null,
      author: step.author ?? null,
      diffId: (index === undefined ? undefined : image.layers[index]?.diffId) ?? null,
      sizeBytes: (index === undefined ? 0 : image.manifest.layers[index]?.sizeBytes) ?? 0,
    };
  });
  if (context.out.json) context.out.document({ name, history: steps });
  else {
    await context.out.table(
      ['CREATED', 'LAYER', 'DOWNLOAD', 'BY'],
      steps.map((step) => [
        step.created ?? '-',
        step.diffId === null ? '-' : formatDigest(step.diffId, context.noTrunc),
        formatSize(step.sizeBytes),
        shorten(step.createdBy ?? step.comment ?? '-', context.noTrunc),
      ]),
      ['DOWNLOAD'],
    );
  }
  return 0;
};

const COMMAND_WIDTH = 60;

function shorten(text: string, noTrunc: boolean): string {
  const oneLine = text.replace(/\s+/g, ' ');
  return noTrunc || oneLine.length <= COMMAND_WIDTH
    ? oneLine
    : `${oneLine.slice(0, COMMAND_WIDTH - 1)}…`;
}

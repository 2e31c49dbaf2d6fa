import type { ContentDigest } from '#base/digest';
import type { OperationOptions } from '#base/flow';
import { isImageDelta, type ResolvedImage } from '#formats/oci';
import type { Repository } from '#stores/composefs';
import type { ImageJudge } from '#work/trust';
import type { PullSource, SourceResolveOptions } from '../source.ts';
import type { AppliedDelta } from './delta-source.ts';

/** A source that shows the image that a delta makes in the place of the delta; any other image as it is. */
export class DeltaAwareSource implements PullSource {
  readonly #repository: Repository;
  readonly #source: PullSource;
  #delta: AppliedDelta | undefined;

  constructor(repository: Repository, source: PullSource) {
    this.#repository = repository;
    this.#source = source;
  }

  /** @throws as the source and `openDelta` */
  async resolve(options?: SourceResolveOptions): Promise<ResolvedImage> {
    const image = await this.#source.resolve(options);
    if (!isImageDelta(image.manifest)) return image;
    const { openDelta } = await import('./delta-source.ts');
    this.#delta = await openDelta(this.#repository, this.#source, image.manifest);
    return this.#delta.image;
  }

  openBlob(digest: ContentDigest, sizeBytes?: number): ReturnType<PullSource['openBlob']> {
    const stored = this.#delta?.blobOf(digest);
    if (stored === undefined) return this.#source.openBlob(digest, sizeBytes);
    return this.#source.openBlob(stored.digest, stored.sizeBytes);
  }

  get openLayer() {
    return this.#source.openLayer?.bind(this.#source);
  }

  get openTar() {
    return this.#delta?.openTar;
  }

  /** Judges what was fetched: the manifest of a delta names the digest of the one it makes. */
  get judge(): ImageJudge | undefined {
    const source = this.#source;
    const { judge } = source;
    if (judge === undefined) return undefined;
    return (digest: ContentDigest, options: OperationOptions) =>
      judge.call(source, this.#delta?.digest ?? digest, options);
  }

  get isRemote() {
    return this.#source.isRemote;
  }

  get origin() {
    return this.#delta === undefined ? this.#source.origin : undefined;
  }

  get traffic() {
    return this.#source.traffic;
  }

  get remember() {
    return this.#source.remember?.bind(this.#source);
  }

  get warnings() {
    return this.#source.warnings;
  }
}

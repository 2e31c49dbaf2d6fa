import type { ContentDigest, OstreeChecksum } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import type { StorageMode } from '#formats/bootc';
import {
  type ImageReference,
  type Platform,
  parseReference,
  type ResolvedImage,
} from '#formats/oci';
import type { Repository } from '#stores/composefs';
import { type ContainersSource, openContainersSource } from '#work/containers';
import { type ContainersExportReport, exportToContainers } from '#work/export-containers';
import {
  fixedSource,
  type OpenSourceOptions,
  openSource,
  type PullReport,
  type PullSource,
  planPull,
  pullImage,
} from '#work/pull-image';
import { synthesizeCommit } from '#work/synthesize';
import type { ImageJudge } from '#work/trust';
import { listDeployments } from '../deployments.ts';
import type { EventListener } from '../journal/events.ts';
import { imageReferenceOf, refOf, storageNameOf } from '../names.ts';
import { chooseRoute, type Operation, type Route, type RouteInput } from '../route.ts';
import { bind, readState, type StorageState, writeMode } from '../state.ts';
import { openStores } from '../stores.ts';
import { readImageCommit, surveyImages, tagOf } from '../survey.ts';
import { requireReflink, type Sysroot } from '../sysroot.ts';
import { installModeOf } from './install-mode.ts';
import {
  countsOf,
  MESSAGES,
  type OstreeStage,
  type UnifiedPullPlan,
  type UnifiedPullReport,
} from './report.ts';
import { requireRoom } from './room.ts';
import { type StageName, Stages } from './stages.ts';

/** What to pull, and how. */
export interface UnifiedPullOptions extends OperationOptions, OpenSourceOptions {
  /** The mode after the pull, or `bound-only` for commits from composefs only; default: the stored mode, or for a new sysroot the image's mode. */
  readonly mode?: Exclude<StorageMode, 'disabled'> | 'bound-only' | undefined;
  /** Choose the route by the capabilities of the filesystem. */
  readonly choice?: RouteInput['choice'] | undefined;
  /** The image reference to record, if it differs from the reference of the source. */
  readonly target?: string | undefined;
  readonly platform?: Platform | undefined;
  readonly judge?: ImageJudge | undefined;
  readonly jobs?: number | undefined;
  readonly onWarning?: ((text: string) => void) | undefined;
  readonly onEvent?: EventListener | undefined;
  /** @internal The route, for callers that have chosen it. */
  readonly route?: Route | undefined;
}

/**
 * Pulls an image into the stores of a sysroot, and stores each byte once. The image goes into the composefs repository first, from its source or
 * from containers-storage if it is there. From the repository it goes by reflink into containers-storage and into the OSTree repository. The
 * mode is stored last. A failure leaves at most whole layers and unnamed objects: the same call resumes from those.
 * @throws UnsupportedError UNIFIED_REFLINK_MISSING before anything is written or asked for, where the mode forbids copies; HostError
 *   SPACE_INSUFFICIENT before the first layer; as `pullImage`, `exportToContainers`, `synthesizeCommit`
 */
export async function unifiedPull(
  sysroot: Sysroot,
  reference: string,
  options: UnifiedPullOptions = {},
): Promise<UnifiedPullReport> {
  return await new UnifiedPull(sysroot, parseReference(reference), options).run();
}

/**
 * Plans `unifiedPull`; writes nothing.
 * @throws UnsupportedError UNIFIED_REFLINK_MISSING; HostError SPACE_INSUFFICIENT; as `planPull`
 */
export async function planUnifiedPull(
  sysroot: Sysroot,
  reference: string,
  options: UnifiedPullOptions = {},
): Promise<UnifiedPullPlan> {
  return await new UnifiedPull(sysroot, parseReference(reference), options).plan();
}

class UnifiedPull {
  readonly #sysroot: Sysroot;
  readonly #reference: ImageReference;
  readonly #options: UnifiedPullOptions;
  readonly #state: StorageState;
  readonly #input: RouteInput;
  readonly #imageReference: string;

  constructor(sysroot: Sysroot, reference: ImageReference, options: UnifiedPullOptions) {
    this.#sysroot = sysroot;
    this.#reference = reference;
    this.#options = options;
    this.#imageReference = imageReferenceOf(
      options.target === undefined ? reference : parseReference(options.target),
    );
    this.#state = readState(sysroot);
    this.#input = this.#routeInput();
  }

  async plan(): Promise<UnifiedPullPlan> {
    const sysroot = this.#sysroot;
    const { platform, signal, jobs, judge } = this.#options;
    const route = chooseRoute(this.#input);
    if (route.policy === 'zero-copy') requireReflink(sysroot);
    await using opened = await this.#openSource();
    const image = await opened.source.resolve({ platform, signal });
    await requireRoom(sysroot, opened.source, image, { ...this.#options, route });
    using stores = await openStores(sysroot, { signal });
    const fixed = fixedSource(opened.source, image);
    const plan = await planPull(stores.composefs, fixed, { signal, jobs, judge, platform });
    const known = surveyImages(sysroot, stores).find(
      ({ manifestDigest }) => manifestDigest === image.manifest.digest,
    );
    return {
      imageReference: this.#imageReference,
      operation: this.#input.operation,
      route,
      mode: this.#state.mode,
      canReflink: sysroot.canReflinkStores,
      image: plan,
      known,
    };
  }

  async run(): Promise<UnifiedPullReport> {
    const sysroot = this.#sysroot;
    let route = this.#options.route ?? chooseRoute(this.#input);
    if (route.policy === 'zero-copy') requireReflink(sysroot);
    const { signal } = this.#options;
    await using opened = await this.#openSource();
    const image = await opened.source.resolve({ platform: this.#options.platform, signal });
    await requireRoom(sysroot, opened.source, image, { ...this.#options, route });
    this.#tell('pullBegun', image.manifest.digest);
    const stages = new Stages(this.#options, countOf(route));
    using composefs = await sysroot.ensureComposefs(this.#options);
    const pulled = await stages.run('composefs', async (within) =>
      this.#intoComposefs(composefs, opened.source, image, within),
    );
    if (this.#asksConfig) {
      route = await this.#routeOfConfig(composefs, pulled.manifestDigest, route);
    }
    const { manifestDigest, configDigest } = pulled;
    const storage = route.isInStorage
      ? await stages.run('containers-storage', async (within) =>
          this.#intoStorage(composefs, pulled, route, within),
        )
      : undefined;
    const ostree =
      route.path === 'native'
        ? undefined
        : await stages.run('ostree', async (within) =>
            this.#intoOstree(composefs, manifestDigest, route, within),
          );
    const modeAfter = this.#storeMode(route);
    const counts = countsOf(pulled, storage, ostree);
    const isNew = counts.REFLINKED + counts.COPIED > 0 || pulled.objects.stored > 0;
    const BOOTC_OSTREE_COMMIT = ostree?.commit;
    this.#tell(isNew ? 'pullDone' : 'alreadyPresent', manifestDigest, {
      ...counts,
      BOOTC_OSTREE_COMMIT,
    });
    if (counts.COPIED > 0 && !sysroot.canReflinkStores)
      this.#tell('copied', manifestDigest, counts);
    return {
      imageReference: this.#imageReference,
      manifestDigest,
      configDigest,
      operation: this.#input.operation,
      route,
      modeBefore: this.#state.mode,
      modeAfter,
      canReflink: sysroot.canReflink,
      composefs: pulled,
      storage,
      ostree,
      ms: stages.finish(),
    };
  }

  /** True when only the install configuration of the image can determine the mode. */
  get #asksConfig(): boolean {
    const { mode, route } = this.#options;
    return this.#input.operation === 'install' && mode === undefined && route === undefined;
  }

  #tell(
    name: keyof typeof MESSAGES,
    digest: ContentDigest,
    fields: Readonly<Record<string, string | number | undefined>> = {},
  ): void {
    const { transport } = parseReference(this.#imageReference);
    this.#options.onEvent?.({
      name,
      priority: name === 'copied' ? 'warning' : 'notice',
      message: `${MESSAGES[name]}: ${this.#imageReference}`,
      fields: {
        BOOTC_IMAGE_REFERENCE: this.#imageReference,
        BOOTC_IMAGE_TRANSPORT: transport,
        BOOTC_MANIFEST_DIGEST: digest,
        ...fields,
      },
    });
  }

  #routeInput(): RouteInput {
    const { mode: asked, choice = 'state' } = this.#options;
    const { binding, mode } = this.#state;
    const isAskedMode = asked === 'enabled' || asked === 'enabled-with-copy';
    return {
      operation: this.#operation(),
      isNative: this.#sysroot.isNative,
      binding: isAskedMode ? 'unified' : binding,
      mode: isAskedMode ? asked : mode,
      flag: asked === 'bound-only' ? 'bound-only' : undefined,
      config: undefined,
      choice,
      canReflink: this.#sysroot.canReflinkStores,
    };
  }

  #operation(): Operation {
    const deployments = listDeployments(this.#sysroot);
    const { mode, isFlagged } = this.#state;
    if (deployments.length === 0 && mode === undefined && !isFlagged) return 'install';
    const isKnown = deployments.some((one) => one.imageReference === this.#imageReference);
    return isKnown || deployments.length === 0 ? 'upgrade' : 'switch';
  }

  /** The route that the install configuration of the image asks for; the configuration is readable by now. */
  async #routeOfConfig(composefs: Repository, manifestDigest: ContentDigest, before: Route) {
    const named = { kind: 'image', manifestDigest, tag: undefined } as const;
    const config = await installModeOf(composefs, named, this.#options);
    if (config === undefined) return before;
    const route = chooseRoute({ ...this.#input, config });
    if (route.policy === 'zero-copy') requireReflink(this.#sysroot);
    return route;
  }

  /** Opens the source: the containers-storage of bootc if the image is there, else the given source. */
  async #openSource() {
    const reference = this.#reference;
    if (reference.transport === 'containers-storage' && reference.graphRoot === undefined) {
      using own = await this.#tryOpenStored(reference.name);
      if (own !== undefined)
        return await openSource(this.#sysroot.storageReference(reference.name));
    }
    return await openSource(reference, this.#options);
  }

  async #tryOpenStored(name: string): Promise<ContainersSource | undefined> {
    try {
      return await openContainersSource(this.#sysroot.storageReference(name), this.#options);
    } catch (error) {
      if (!isOnecopyError(error) || error.kind !== 'not-found') throw error;
      return undefined;
    }
  }

  /** Stores the image and tags it. Layers in containers-storage are imported from there; if those are damaged, they are pulled from the source. */
  async #intoComposefs(
    composefs: Repository,
    source: PullSource,
    image: ResolvedImage,
    within: OperationOptions,
  ): Promise<PullReport> {
    const { jobs, judge, onWarning, platform } = this.#options;
    const name = tagOf(image.manifest.digest);
    const pull = async (from: PullSource) =>
      await pullImage(composefs, from, {
        ...within,
        ...{ name, jobs, judge, onWarning, platform },
        holdLock: true,
      });
    const fixed = fixedSource(source, image);
    using stored =
      source.openLayer === undefined ? await this.#tryOpenStoredImage(image) : undefined;
    if (stored !== undefined) {
      try {
        return await pull({ ...fixed, openLayer: (position) => stored.openLayer(position) });
      } catch (error) {
        const isOfStore =
          isOnecopyError(error) && ['integrity', 'not-found', 'busy'].includes(error.kind);
        if (!isOfStore) throw error;
        onWarning?.(
          `layers are fetched again, as those in containers-storage cannot be used: ${error.message}`,
        );
      }
    }
    return await pull(fixed);
  }

  /** Opens the same image in the containers-storage of bootc. */
  async #tryOpenStoredImage(image: ResolvedImage): Promise<ContainersSource | undefined> {
    const config = image.config?.digest;
    const found =
      config === undefined ? undefined : await this.#tryOpenStored(`@${config.slice(7)}`);
    if (found === undefined) return undefined;
    try {
      if (
        found.resolve({ platform: this.#options.platform }).manifest.digest ===
        image.manifest.digest
      )
        return found;
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
    }
    found[Symbol.dispose]();
    return undefined;
  }

  async #intoStorage(
    composefs: Repository,
    { manifestDigest, configDigest }: PullReport,
    { policy }: Route,
    within: OperationOptions,
  ): Promise<ContainersExportReport> {
    this.#sysroot.ensureStorage();
    const name = storageNameOf(this.#imageReference, configDigest);
    const target = this.#sysroot.storageReference(name);
    const reflink = policy === 'zero-copy' ? 'always' : 'auto';
    return await exportToContainers(composefs, `@${manifestDigest}`, target, {
      ...within,
      reflink,
    });
  }

  async #intoOstree(
    composefs: Repository,
    manifestDigest: ContentDigest,
    route: Route,
    within: OperationOptions,
  ): Promise<OstreeStage> {
    const ref = refOf(this.#imageReference);
    using repo = this.#sysroot.ensureOstree();
    const present = repo.refs.read(ref);
    const known = present === undefined ? undefined : readImageCommit(repo, present);
    const isClassic = route.path === 'classic';
    const isThere = known?.isSynthesized === !isClassic && known.manifestDigest === manifestDigest;
    const made = isThere
      ? undefined
      : await synthesizeCommit(composefs, `@${manifestDigest}`, this.#sysroot.ostreePath, {
          ...within,
          refs: [ref],
          route: isClassic ? 'classic' : 'synthesis',
          reflink: route.policy === 'zero-copy' ? 'always' : 'auto',
        });
    if (isClassic) composefs.tags.remove(tagOf(manifestDigest));
    else bind(repo);
    return { commit: made?.commit ?? (present as OstreeChecksum), ref, made };
  }

  /** Stores the mode of the route if it differs. This is the last step: a crash before it leaves the old mode. */
  #storeMode({ mode }: Route): StorageMode | undefined {
    const { mode: before } = this.#state;
    if (mode === undefined || mode === before) return before;
    writeMode(this.#sysroot, mode);
    return mode;
  }
}

function countOf({ isInStorage, path }: Route): number {
  const stages: StageName[] = ['composefs'];
  if (isInStorage) stages.push('containers-storage');
  if (path !== 'native') stages.push('ostree');
  return stages.length;
}

import type { DiffId, ObjectId } from '#base/digest';
import { hasCode } from '#base/errors';
import { type Answer, type MethodCall, Turns } from '#faces/varlink';
import { finishImage } from '#work/copy-stored';
import {
  type HandedOut,
  handOut,
  type LayerToServe,
  openRepositoryLayer,
  openStorageLayer,
  putLayer,
} from '#work/layer-transfer';
import type { Repository } from '#work/repository';
import { readPassed } from '#work/sockets';
import { refuseDigest, refuseObjectId } from '../oci/values.ts';
import type { Handles } from './handles.ts';

/** Maximum number of layers that are handed out at a time; further calls wait. */
const HANDED_OUT_MAX = 64;
/** Maximum number of layers that are received at a time; further calls wait. */
const RECEIVED_MAX = 8;
/** Maximum time in which the sender of a layer sends nothing, in milliseconds. */
const SILENCE_MS = 60_000;

/** The parameters of `GetLayer`. */
interface LayerChoice {
  readonly diff_id?: string | null;
  readonly storage?: { readonly storage_path: string; readonly layer_id: string } | null;
  readonly consumer_has_cap_dac_override?: boolean;
}

/** Clients of composefs-rs may leave out whether they can read all files. */
export function completeLayerChoice(
  parameters: MethodCall['parameters'],
): MethodCall['parameters'] {
  const { params } = parameters;
  if (typeof params !== 'object' || params === null || Array.isArray(params)) return parameters;
  return { ...parameters, params: { consumer_has_cap_dac_override: false, ...params } };
}

/** The methods that transfer layers. */
export class LayerMethods {
  readonly #handles: Handles;
  readonly #handedOut = new Turns(HANDED_OUT_MAX);
  readonly #received = new Turns(RECEIVED_MAX);

  constructor(handles: Handles) {
    this.#handles = handles;
  }

  /** `GetLayer`: of the repository by its diff id, else of containers-storage by the path of the store and the id of the layer. */
  async get(call: MethodCall): Promise<Answer> {
    const turn = await this.#handedOut.take(call.signal);
    try {
      const { layer, id, repository } = await this.#open(call);
      using opened = new DisposableStack();
      opened.use(repository);
      const { placeCount, frames, run } = handOut(layer, id, call.more);
      const held = opened.move();
      call.background(async (signal) => {
        using _turn = turn;
        using _repository = held;
        await run(signal);
      });
      return await sendAll(call, { dir_count: placeCount }, frames);
    } catch (error) {
      turn[Symbol.dispose]();
      throw error;
    }
  }

  async #open({ parameters, signal }: MethodCall): Promise<OpenedLayer> {
    const choice = parameters['params'] as LayerChoice;
    const { diff_id: diffId, storage, consumer_has_cap_dac_override: readsAll = false } = choice;
    if (diffId != null) return await this.#openStored(parameters, diffId as DiffId, signal);
    if (storage == null) {
      const message = 'GetLayer: expected diff_id or storage in params, found neither';
      throw this.#handles.error('InvalidRequest', { message });
    }
    const { storage_path: storagePath, layer_id: layerId } = storage;
    const layer = await openStorageLayer({ storagePath, layerId, readsAll, signal });
    return { layer, id: layerId, repository: undefined };
  }

  async #openStored(
    parameters: MethodCall['parameters'],
    diffId: DiffId,
    signal: AbortSignal,
  ): Promise<OpenedLayer> {
    this.#requireDigest(diffId);
    const repository = await this.#openRepository(parameters, signal);
    try {
      const layer = openRepositoryLayer(repository, diffId);
      if (layer === undefined) throw this.#handles.error('NoSuchLayer', { diff_id: diffId });
      return { layer, id: `oci-layer-${diffId}`, repository };
    } catch (error) {
      repository[Symbol.dispose]();
      throw error;
    }
  }

  /** `PutLayer`: the first descriptor is the stream, the others are its directories. */
  async put(call: MethodCall): Promise<Answer> {
    const { parameters, files, signal } = call;
    const [stream, ...directories] = files;
    if (stream === undefined || directories.length === 0) {
      const message = `expected at least 2 fds (1 pipe + >=1 dir fd), got ${files.length}`;
      throw this.#handles.error('InvalidRequest', { message });
    }
    const diffId = parameters['diff_id'] as DiffId;
    this.#requireDigest(diffId);
    using _turn = await this.#received.take(signal);
    using repository = await this.#openRepository(parameters, signal);
    try {
      const { streamId, wasPresent, counts } = await putLayer(repository, {
        diffId,
        stream: readPassed(stream, { signal, silenceMs: SILENCE_MS }),
        directories,
        zeroCopy: parameters['zerocopy'] === true,
        signal,
      });
      return {
        parameters: {
          layer_verity: streamId,
          already_present: wasPresent,
          objects_reflinked: counts.reflinked,
          objects_hardlinked: counts.hardlinked,
          objects_copied: counts.copied,
          objects_already_present: counts.present,
        },
      };
    } catch (error) {
      if (!hasCode(error, 'DIFF_ID_MISMATCH')) throw error;
      const { expected, found } = error.details;
      throw this.#handles.error('DiffIdMismatch', { expected, actual: found });
    }
  }

  /** `FinalizeImage` */
  async finalize({ parameters, signal }: MethodCall, repository: Repository): Promise<Answer> {
    const given = parameters['layers'] as readonly { diff_id: string; layer_verity: string }[];
    const layers = given.map(({ diff_id: diffId, layer_verity: verity }) => {
      this.#requireDigest(diffId, `diff_id ${JSON.stringify(diffId)}: `);
      const reason = refuseObjectId(verity, repository.algorithm);
      if (reason === undefined) return [diffId, verity as ObjectId] as const;
      const message = `layer_verity ${JSON.stringify(verity)}: ${reason}`;
      throw this.#handles.error('InvalidDigest', { message });
    });
    const image = await finishImage(
      repository,
      {
        manifestBytes: Buffer.from(parameters['manifest_json'] as string),
        configBytes: Buffer.from(parameters['config_json'] as string),
        layers,
      },
      { name: (parameters['name'] as string | null) ?? undefined, signal },
    );
    return {
      parameters: {
        manifest_digest: image.manifestDigest,
        manifest_verity: image.manifestStreamId,
        config_digest: image.configDigest,
        config_verity: image.configStreamId,
      },
    };
  }

  /** @throws CallError InvalidHandle; as `openRepository` */
  async #openRepository(
    parameters: MethodCall['parameters'],
    signal: AbortSignal,
  ): Promise<Repository> {
    const handle = parameters['handle'] as number;
    const { repositories } = this.#handles;
    const path = repositories.pathOf(handle);
    if (path === undefined) throw this.#handles.error('InvalidHandle', { handle });
    return await repositories.openUngated(path, signal);
  }

  /** @throws CallError InvalidDigest */
  #requireDigest(text: string, what = ''): void {
    const reason = refuseDigest(text);
    if (reason === undefined) return;
    throw this.#handles.error('InvalidDigest', { message: `${what}${reason}` });
  }
}

/** A layer to hand out, and what is closed afterwards. */
interface OpenedLayer {
  readonly layer: LayerToServe;
  readonly id: string;
  readonly repository: Repository | undefined;
}

/** Sends all frames but the last, which is the answer. */
async function sendAll(
  call: MethodCall,
  parameters: Answer['parameters'],
  frames: HandedOut['frames'],
): Promise<Answer> {
  try {
    for (const files of frames.slice(0, -1)) await call.send({ parameters, files });
    return { parameters, files: frames.at(-1) ?? [] };
  } catch (error) {
    for (const file of frames.flat()) file[Symbol.dispose]();
    throw error;
  }
}

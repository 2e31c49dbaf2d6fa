import { planDescriptors } from '#formats/splitdirfdstream';
import { Dir, OPEN, reopen } from '#host';
import {
  isWithoutReader,
  openKeepAlive,
  openPipeToClient,
  type PassedFile,
  type TransferOptions,
} from '#work/sockets';
import type { LayerToServe } from './serve.ts';

/** Maximum time in which the receiver of a layer reads nothing, in milliseconds. It may copy a large file meanwhile. */
const SILENCE_MS = 600_000;

/** A layer on its way to a client. */
export interface HandedOut {
  /** Number of the descriptors that are in the place of directories. */
  readonly placeCount: number;
  /** The descriptors for the client, reply by reply; the receiver of this value closes them. */
  readonly frames: readonly (readonly PassedFile[])[];
  /**
   * Writes the stream until its end, or until nobody reads it, then waits until the client has released the layer. Closes the rest; to be called
   * once. A client that does nothing for ten minutes is left alone with a short stream.
   * @throws as the stream of the layer; the reason of the signal
   */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Prepares the descriptors of a layer, and takes the layer over; if that fails, everything is closed.
 * @param id name of the layer, which the arrangement of the descriptors depends on
 * @param isSplit the client accepts several replies
 */
export function handOut(layer: LayerToServe, id: string, isSplit: boolean): HandedOut {
  const plan = planDescriptors(id, 1);
  const [place = 0] = plan.places;
  using opened = new DisposableStack();
  opened.use(layer);
  const { reader, writer } = openPipeToClient();
  opened.use(reader);
  opened.defer(() => void writer[Symbol.asyncDispose]());
  const alive = openKeepAlive();
  opened.use(alive.held);
  opened.defer(() => void alive[Symbol.asyncDispose]());
  const directory = opened.use(reopen(layer.directory, OPEN.read | OPEN.directory));
  const dummies = (count: number) => Array.from({ length: count }, () => opened.use(openDummy()));
  const others = dummies(plan.placeCount - 1);
  const places = [...others.slice(0, place), directory, ...others.slice(place)];
  const files = [reader, ...places, alive.held, ...dummies(plan.extraCount)];
  let at = 0;
  const frames = (isSplit ? plan.frames : [files.length]).map((count) => {
    at += count;
    return files.slice(at - count, at);
  });
  const run = async (signal: AbortSignal) => {
    using _layer = layer;
    await using _alive = alive;
    const options: TransferOptions = { signal, silenceMs: SILENCE_MS };
    await layer.during(signal, async () => {
      {
        await using pipe = writer;
        try {
          for await (const piece of layer.stream(place)) await pipe.write(piece, options);
        } catch (error) {
          if (!isWithoutReader(error)) throw error;
        }
      }
      await alive.untilReleased(options);
    });
  };
  opened.move(); // From here on the caller and `run` close it.
  return { placeCount: plan.placeCount, frames, run };
}

function openDummy(): PassedFile {
  using folder = Dir.open('/dev');
  return folder.openFile('null');
}

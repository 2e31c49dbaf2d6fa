import { openImage } from '#formats/erofs';
import { parseFuseRequest, REQUEST_BYTES_MIN } from '#formats/fuse';
import { readAt, receiveFuseRequest, sendFuseReply, serveWorker, statFd } from '#host';
import { NodeFiles, type NodeFilesOptions } from './node-files.ts';
import { NodeServer } from './node-server.ts';
import { NodeView } from './node-view.ts';

/** Data of a thread. Descriptors stay open as long as the thread runs. */
export interface FuseThreadData extends NodeFilesOptions {
  /** Descriptor of the FUSE connection. */
  readonly device: number;
  /** Descriptor of the image. */
  readonly image: number;
  readonly hidesAccessLists: boolean;
}

/** Requests are short: names, and no written content. */
const REQUEST_BYTES = 4 * REQUEST_BYTES_MIN;

function serve(data: FuseThreadData): void {
  const { device } = data;
  const file = data.image;
  const { sizeBytes } = statFd(file);
  const read = (offset: number, into: Uint8Array) => readAt(file, into, offset);
  const view = new NodeView(openImage({ sizeBytes, read }), data.hidesAccessLists);
  const server = new NodeServer(view, new NodeFiles(device, view, data), data.passthrough);
  const bytes = Buffer.alloc(REQUEST_BYTES);
  for (;;) {
    const length = receiveFuseRequest(device, bytes);
    if (length === undefined) return;
    const reply = server.answer(parseFuseRequest(bytes.subarray(0, length)));
    if (reply !== undefined) sendFuseReply(device, reply);
  }
}

serveWorker<FuseThreadData, never, never, void>(serve);

/**
 * Shared memory between the thread that splits layers and the threads that write objects: a control block and slots, one batch of
 * work in each. A slot belongs to the splitter until it is queued, to the writer that takes it until it is done, then to the splitter
 * again, so only the control block and the state words need atomic access.
 *
 *     control: events | stop | head | tail | wake | queue…   slot: header | table | digests | data
 */

/** Data of one batch, in bytes: enough work that submitting it costs little, and small enough that a few batches keep all threads busy. */
export const BATCH_BYTES = 1 << 20;
/**
 * Files begin at multiples of this, in bytes, as they do in a tar: V8 copies shared memory byte by byte if source and target are not
 * equally aligned.
 */
export const FILE_ALIGNMENT = 64;
/** Most files in one batch. */
export const BATCH_FILES_MAX = 1024;
/** Most files that are imported in one batch: each is open until the batch is done. */
export const IMPORT_FILES_MAX = 128;
/** Size of one digest in the results, in bytes: that of SHA-512. */
export const DIGEST_ROOM_BYTES = 64;

/** Words (Int32) of the control block; the queue of slot numbers follows, one word for each slot. */
export const CONTROL = {
  /** Incremented when a batch is done, or a writer has failed. */
  events: 0,
  /** If not 0, writers exit as soon as the queue is empty. */
  stop: 1,
  /** Next position of the queue to take, and to fill; both only grow. */
  head: 2,
  tail: 3,
  /** Incremented whenever writers must check again, so that a wake-up between checking and waiting is not lost. */
  wake: 4,
  queue: 16,
} as const;

/** Words (Int32) of a slot's header. */
export const SLOT = {
  state: 0,
  kind: 1,
  /** Files in a batch of files. */
  count: 2,
  /** Of a segment: the open file, where the segment begins in blocks of 4096 bytes, and its length in bytes. */
  fd: 3,
  startBlock: 4,
  lengthBytes: 5,
  /** Of files that are imported: the directory that their paths begin at, and how extents are shared (`SHARING`). */
  directoryFd: 6,
  sharing: 7,
} as const;
const SLOT_HEADER_BYTES = 64;

/** Words of a file's row in the table. */
export const ROW = {
  /** Offset of its bytes in the data; afterwards whether the object is new (1) or existed (0). */
  offset: 0,
  lengthBytes: 1,
  /** Where its path begins in the data, and its length, of a file that is imported; the length afterwards whether it was reflinked (1). */
  pathOffset: 2,
  pathBytes: 3,
  words: 4,
} as const;

/** What a batch is. */
export const KIND = {
  /** Complete files, each an object. */
  files: 0,
  /** A part of one large file, written to an open file. */
  segment: 1,
  /** Whole files that lie elsewhere, each an object; their bytes come into the data. */
  imports: 2,
  /** One large file that lies elsewhere, into a file that is open already. */
  clone: 3,
  /** A part of one large file that is written already: its bytes come into the data. */
  reading: 4,
} as const;

/** Whether imported files may share extents with their source: the words of `ReflinkPolicy`. */
export const SHARING = { auto: 0, always: 1, never: 2 } as const;
/** `always`: reflink or refuse; `auto`: reflink, else copy; `never`: copy. */
export type ReflinkPolicy = keyof typeof SHARING;

/** State of a slot. */
export const STATE = { free: 0, queued: 1, done: 2 } as const;

const TABLE_OFFSET = SLOT_HEADER_BYTES;
const DIGESTS_OFFSET = TABLE_OFFSET + BATCH_FILES_MAX * ROW.words * 4;
const DATA_OFFSET = DIGESTS_OFFSET + BATCH_FILES_MAX * DIGEST_ROOM_BYTES;
const SLOT_BYTES = DATA_OFFSET + BATCH_BYTES;

/** The memory of a pool as plain data: it can be posted to a thread. */
export interface BatchMemory {
  readonly control: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
  readonly slotCount: number;
}

/** One slot as typed views. */
export interface SlotViews {
  readonly header: Int32Array;
  readonly table: Int32Array;
  readonly digests: Buffer;
  readonly data: Buffer;
}

/** Allocates the memory of a pool. */
export function createBatchMemory(slotCount: number): BatchMemory {
  return {
    control: new SharedArrayBuffer((CONTROL.queue + slotCount) * 4),
    slots: new SharedArrayBuffer(slotCount * SLOT_BYTES),
    slotCount,
  };
}

/** The views of all slots, created once in each thread. */
export function viewSlots({ slots, slotCount }: BatchMemory): SlotViews[] {
  return Array.from({ length: slotCount }, (_, index) => {
    const base = index * SLOT_BYTES;
    return {
      header: new Int32Array(slots, base, SLOT_HEADER_BYTES / 4),
      table: new Int32Array(slots, base + TABLE_OFFSET, BATCH_FILES_MAX * ROW.words),
      digests: Buffer.from(slots, base + DIGESTS_OFFSET, BATCH_FILES_MAX * DIGEST_ROOM_BYTES),
      data: Buffer.from(slots, base + DATA_OFFSET, BATCH_BYTES),
    };
  });
}

import { byteStringFromText } from '#base/bytes';
import { quietly } from '#base/errors';
import { encodeEntry } from '#formats/journal';
import { Dir, OPEN, sendDatagram, writeAll } from '#host';
import { type EventListener, fieldsOf } from './events.ts';

/** The native socket of journald. Source: systemd, native journal protocol. */
const JOURNAL_SOCKET = '/run/systemd/journal/socket';

/** Destinations of journal entries. */
export interface JournalPlaces {
  /** Path of the datagram socket (default: journald's socket for root, none for other users). */
  readonly socket?: string | undefined;
  /** Path of a file that entries are also appended to, in the export format of the journal. */
  readonly file?: string | undefined;
}

/** Reads the destinations from the environment: `ONECOPY_JOURNAL_SOCKET` and `ONECOPY_JOURNAL_FILE`. */
export function journalPlaces(env: NodeJS.ProcessEnv = process.env): JournalPlaces {
  const system = process.geteuid?.() === 0 ? JOURNAL_SOCKET : undefined;
  return {
    socket: env['ONECOPY_JOURNAL_SOCKET'] ?? system,
    file: env['ONECOPY_JOURNAL_FILE'],
  };
}

/** Returns a listener that writes events into the journal. A failed write drops the entry: a missing journal never fails the work. */
export function journalListener({ socket, file }: JournalPlaces): EventListener {
  return (event) => {
    const entry = encodeEntry(fieldsOf(event));
    if (socket !== undefined) quietly(() => void sendDatagram(byteStringFromText(socket), entry));
    if (file !== undefined) quietly(() => append(file, entry));
  };
}

/** Appends an entry, with the empty line that ends it, in one write. */
function append(path: string, entry: Uint8Array): void {
  const time = `__REALTIME_TIMESTAMP=${BigInt(Date.now()) * 1000n}\n`;
  const slash = path.lastIndexOf('/');
  using folder = Dir.open(slash <= 0 ? (slash === 0 ? '/' : '.') : path.slice(0, slash));
  const flags = OPEN.write | OPEN.create | OPEN.append;
  using opened = folder.openFile(byteStringFromText(path.slice(slash + 1)), flags, 0o600);
  writeAll(opened, Buffer.concat([Buffer.from(time), entry, Buffer.from('\n')]));
}

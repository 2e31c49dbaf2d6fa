// Invariant: any bytes give calls, replies and an interface that survive being written again, or one of our errors.
import assert from 'node:assert/strict';
import { isOnecopyError } from '#base/errors';
import {
  encodeCall,
  findMistake,
  MessageSplitter,
  parseCall,
  parseInterface,
  parseReply,
  printInterface,
  typesOf,
} from '#formats/varlink';

/** Name of the target and of its folder of inputs. */
export const name = 'varlink';

const INTERFACE = parseInterface(`
interface org.example.Fuzz
type Part (name: string, more: ?[]Part, kind: (one, two))
method Do(part: Part, map: [string]int, any: object, on: bool, at: float) -> ()
`);

/** Cuts the bytes into messages, reads each as a call, a reply and a description, and checks its parameters. */
export function run(bytes: Uint8Array): void {
  const splitter = new MessageSplitter();
  const messages = [...splitter.push(bytes)];
  const total = messages.reduce((sum, message) => sum + message.length + 1, 0);
  assert.equal(total + splitter.pendingBytes, bytes.length);
  for (const message of [...messages, bytes]) {
    guarded(() => parseReply(message));
    guarded(() => {
      const call = parseCall(message);
      assert.deepEqual(parseCall(encodeCall(call).subarray(0, -1)), call);
      const types = typesOf(INTERFACE);
      for (const member of INTERFACE.members) {
        if (member.kind === 'method') findMistake(call.parameters, member.input, types);
      }
    });
    guarded(() => {
      const parsed = parseInterface(Buffer.from(message).toString('latin1'));
      const again = parseInterface(printInterface(parsed));
      assert.deepEqual(plain(again), plain(parsed));
    });
  }
}

/** Comments inside of a member are not kept. */
function plain(parsed: ReturnType<typeof parseInterface>): unknown {
  return {
    ...parsed,
    comment: [],
    members: parsed.members.map((one) => ({ ...one, comment: [] })),
  };
}

/** Inputs that hold everything. */
export function seeds(): Uint8Array[] {
  const call = { method: 'org.example.Fuzz.Do', parameters: { part: { name: 'x', kind: 'one' } } };
  return [
    encodeCall({ ...call, more: true, oneway: false }),
    Buffer.from('{"error":"org.example.Fuzz.No","parameters":{"a":[1,2]}}\0{"continues":true}\0{"'),
    Buffer.from(printInterface(INTERFACE)),
    Buffer.from(
      '# An interface\ninterface a.b-c.D\n\n# A method\nmethod M(a: ?[string][](x: int)) -> (b: ())\nerror E (c: (one, two))\n',
    ),
  ];
}

function guarded(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
  }
}

// Invariant: any bytes are a policy that labels any path with one of its own labels or none, in bounded time, or give one FormatError.
import assert from 'node:assert/strict';
import type { ByteString } from '#base/bytes';
import { FormatError } from '#base/errors';
import { createLabeler, parsePolicyName, ROOT_NAME } from '#formats/selinux';

/** Name of the target and of its folder of inputs. */
export const name = 'selinux-policy';

const NAMES = ['usr', 'lib', 'x.so', 'e', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'] as ByteString[];
/** Far above what any input may take. */
const TIME_MAX_MS = 20_000;

/** Uses the bytes as every text of a policy at once, with both orders of precedence. */
export async function run(bytes: Uint8Array): Promise<void> {
  const start = performance.now();
  await guarded(() => parsePolicyName(bytes));
  for (const precedence of ['composefs', 'libselinux'] as const) {
    await guarded(async () => {
      const texts = { main: bytes, local: bytes, subs: bytes, subsDist: bytes };
      const labeler = await createLabeler(texts, precedence);
      const text = Buffer.from(bytes).toString('latin1');
      for (let at = ROOT_NAME, index = 0; index < NAMES.length; index += 1) {
        at = labeler.childName(at, NAMES[index] as ByteString);
        for (const type of ['-', 'd'] as const) {
          const label = labeler.labelOf(at, type);
          assert.ok(label === undefined || text.includes(label));
        }
      }
    });
  }
  assert.ok(performance.now() - start < TIME_MAX_MS);
}

async function guarded(work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
}

/** A small policy, with aliases. */
export function seeds(): Uint8Array[] {
  const text =
    '# c\nSELINUXTYPE=a\n/.* x:1\n/usr(/.*)?\\.so -- x:2\n/usr/lib -d <<none>>\n/usr /e\n/a{2}[^/]+(b|c)*? x:3\n';
  return [Uint8Array.from(Buffer.from(text, 'latin1'))];
}

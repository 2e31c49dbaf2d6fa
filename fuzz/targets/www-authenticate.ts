// Invariant: any header gives a bounded list of challenges; written anew, it is read as the same list.
import assert from 'node:assert/strict';
import { type Challenge, parseChallenges } from '#remotes/registry';

/** Name of the target and of its folder of inputs. */
export const name = 'www-authenticate';

/** Reads the header, and what it was read as. */
export function run(bytes: Uint8Array): void {
  const challenges = parseChallenges(Buffer.from(bytes).toString('latin1'));
  assert.ok(challenges.length <= 16);
  for (const { scheme, parameters } of challenges) {
    assert.match(scheme, /^[!#$%&'*+.^_`|~0-9a-z-]+$/);
    assert.ok(parameters.size <= 32);
  }
  const text = challenges.map(textOf).join(', ');
  if (text.length <= 8192) assert.deepEqual(parseChallenges(text), challenges);
}

/** One header of each kind that registries send. */
export function seeds(): Uint8Array[] {
  return [
    'Basic realm="reg"',
    'Bearer realm="https://auth.test/token",service="reg.test",scope="repository:a/b:pull,push",error="insufficient_scope"',
    'Negotiate, NTLM YWJj==, Basic realm = "a \\"b\\", c" , charset=UTF-8, Bearer realm=x',
  ].map((text) => Uint8Array.from(Buffer.from(text, 'latin1')));
}

function textOf({ scheme, parameters }: Challenge): string {
  const list = [...parameters].map(([key, value]) => `${key}="${value.replace(/["\\]/g, '\\$&')}"`);
  return `${scheme} ${list.join(',')}`.trimEnd();
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { imageRefName } from './ref-name.ts';

test('an image reference maps to the ref that ostree-ext looks up', () => {
  for (const [reference, escaped] of [
    ['docker://quay.io/org/img:tag', 'docker_3A__2F__2F_quay_2E_io/org/img_3A_tag'],
    ['oci:/img/a_b', 'oci_3A__2F_img/a__b'],
    [
      'containers-storage:localhost/rules:latest',
      'containers-storage_3A_localhost/rules_3A_latest',
    ],
    ['sha256:abc', 'sha256_3A_abc'],
    ['ü日/', '_FC__65E5__2F_'],
  ] as const) {
    assert.equal(imageRefName(reference), `ostree/container/image/${escaped}`);
  }
});

/**
 * Limits and names of the configuration files that podman, buildah and skopeo share.
 * Sources: containers-registries.conf(5), containers-registries.d(5), containers-auth.json(5), containers-certs.d(5) of
 * container-libs 5.41; Docker's config.json.
 */

/** Maximum size of a configuration file that is read, in bytes: real files have a few kilobytes. */
export const CONFIG_FILE_MAX_BYTES = 1024 * 1024;

/** Maximum number of files in one drop-in folder. */
export const DROP_INS_MAX = 1024;

/** Name of Docker Hub in references, keys of auth.json and folders of certs.d. */
export const DOCKER_HUB = 'docker.io';

/** Host that serves Docker Hub. Source: distribution reference, and Docker's registry package. */
export const DOCKER_HUB_HOST = 'registry-1.docker.io';

/** The key under which Docker keeps credentials of Docker Hub. Source: docker/cli, registry.IndexServer. */
export const DOCKER_HUB_SERVER = 'https://index.docker.io/v1/';

/** The word in `credential-helpers` that stands for the credentials files. Source: containers-registries.conf(5). */
export const AUTH_FILES_HELPER = 'containers-auth.json';

/** Form of the suffix of `docker-credential-`: a file name, never a path. */
export const HELPER_NAME = /^[A-Za-z0-9._-]{1,128}$/;

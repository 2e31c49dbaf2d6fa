import type { Entry, Page } from './page.ts';

/** Every exit status of `onecopy`. */
export const EXIT_CODES: readonly Entry[] = [
  { term: '0', says: 'the command succeeded' },
  { term: '1', says: 'unexpected error: this is a bug of onecopy' },
  { term: '2', says: 'usage error: unknown verb or option, or a value that is not allowed' },
  {
    term: '3',
    says: 'the command finished and has findings (fsck, gc, inspect-format, df, why, dedup, adopt, diff --exit-code, pull --dry-run --max-bytes)',
  },
  { term: '4', says: 'not found: an image, a path, a reference or a repository does not exist' },
  { term: '5', says: 'conflict: the target exists, or is not what the command expects' },
  { term: '6', says: 'integrity error: data does not match its digest or its signature' },
  { term: '7', says: 'malformed input: a file violates its format' },
  { term: '8', says: 'not supported by this host or this version' },
  { term: '9', says: 'busy: another process holds the lock' },
  { term: '10', says: 'network or registry error; a repeated command may succeed' },
  { term: '11', says: 'the operating system refused an operation' },
  { term: '12', says: 'not authorised: the server or a policy refused access' },
  { term: '14', says: 'not enough space' },
  { term: '130', says: 'interrupted by SIGINT; repeat the command to resume' },
  { term: '143', says: 'terminated by SIGTERM; repeat the command to resume' },
];

/** Every environment variable that `onecopy` reads. */
export const ENVIRONMENT: readonly Entry[] = [
  {
    term: 'COMPLETE, _CLAP_COMPLETE_INDEX, _CLAP_IFS',
    says: 'cfsctl only: the shell that asks for completion, the index of the word to complete, and what separates the answers',
  },
  {
    term: 'LISTEN_FDS, LISTEN_PID',
    says: 'sockets that a service manager passes to onecopy varlink',
  },
  { term: 'ONECOPY_REPO', says: 'path of the repository, where --repo is not given' },
  {
    term: 'ONECOPY_JOURNAL_SOCKET',
    says: 'socket of journald for the events of unified (default: /run/systemd/journal/socket)',
  },
  { term: 'ONECOPY_JOURNAL_FILE', says: 'file to which unified also writes its events' },
  { term: 'ONECOPY_ACCELERATION', says: 'off: do not use libipsec-mb and libisal' },
  { term: 'NO_COLOR', says: 'print no colours' },
  {
    term: 'SOURCE_DATE_EPOCH',
    says: 'timestamp of new commits in seconds, where --timestamp is not given',
  },
  { term: 'HOME', says: 'home directory: holds the repository of the user and credentials' },
  { term: 'TMPDIR', says: 'directory for temporary mount points (default: /tmp)' },
  {
    term: 'REGISTRY_AUTH_FILE, DOCKER_CONFIG, XDG_RUNTIME_DIR, XDG_CONFIG_HOME',
    says: 'locations of the credentials for registries, as for podman and skopeo',
  },
  {
    term: 'CONTAINERS_REGISTRIES_CONF, CONTAINERS_REGISTRIES_CONF_OVERRIDE, CONTAINERS_POLICY_JSON',
    says: 'paths of registries.conf and policy.json, as for podman and skopeo',
  },
  {
    term: 'CONTAINERS_STORAGE_CONF, CONTAINERS_STORAGE_CONF_OVERRIDE, STORAGE_DRIVER, STORAGE_OPTS, XDG_DATA_HOME',
    says: 'location of containers-storage, as for podman and skopeo',
  },
  { term: 'USER', says: 'user name in the paths of storage.conf' },
  { term: 'SSL_CERT_FILE', says: 'file of the certificate authorities to trust' },
  {
    term: 'http_proxy, https_proxy, all_proxy, no_proxy',
    says: 'proxies for HTTP; also in capital letters',
  },
];

/** Pages about other topics than verbs, by the word after `onecopy help`. */
export const TOPICS: Readonly<Record<string, Page>> = {
  'exit-codes': {
    title: 'onecopy exit codes',
    summary: 'list the exit codes of onecopy',
    usage: undefined,
    sections: [
      { heading: 'Exit codes', entries: EXIT_CODES },
      {
        heading: 'Errors',
        paragraphs: [
          'Errors are printed on stderr. With --json the error is one JSON document with a permanent code; docs/errors.md lists the codes.',
        ],
      },
    ],
  },
  environment: {
    title: 'onecopy environment',
    summary: 'list the environment variables that onecopy reads',
    usage: undefined,
    sections: [{ heading: 'Environment', entries: ENVIRONMENT }],
  },
  completion: {
    title: 'onecopy completion',
    summary: 'print a completion script for bash, zsh or fish',
    usage: 'onecopy completion <shell>',
    sections: [
      {
        heading: 'Arguments',
        entries: [{ term: '<shell>', says: 'bash, zsh or fish' }],
      },
      {
        heading: 'Description',
        paragraphs: [
          'The script completes verbs, options and paths, and the names of the images in the repository.',
        ],
      },
      {
        heading: 'Examples',
        examples: [
          { says: 'Complete in this bash', command: 'source <(onecopy completion bash)' },
          {
            says: 'Install for bash',
            command:
              'mkdir -p ~/.local/share/bash-completion/completions && onecopy completion bash > ~/.local/share/bash-completion/completions/onecopy',
          },
          {
            says: 'Install for zsh, into a folder of fpath',
            command: 'mkdir -p ~/.zfunc && onecopy completion zsh > ~/.zfunc/_onecopy',
          },
          {
            says: 'Install for fish',
            command:
              'mkdir -p ~/.config/fish/completions && onecopy completion fish > ~/.config/fish/completions/onecopy.fish',
          },
        ],
      },
    ],
  },
  varlink: {
    title: 'onecopy varlink',
    summary: 'serve repositories to other programs over varlink',
    usage: 'onecopy varlink [--address=<path>]',
    sections: [
      {
        heading: 'Description',
        paragraphs: [
          'Programs on this host pull, list, verify and mount images over a socket, many at once. The interfaces are org.composefs.Repository and ' +
            'org.composefs.Oci, as cfsctl serves them, and org.onecopy.Images and org.onecopy.Ostree with a method for each verb of onecopy.',
          'A call that selects no repository uses the one of --repo, --user, --system or ONECOPY_REPO.',
          'A socket that a service manager passes (LISTEN_FDS) is used first. On a connected socket the service ends with the connection, else ' +
            'with SIGTERM. Who may connect is decided by the mode of the socket: a client has the rights of the service.',
        ],
      },
      {
        heading: 'Examples',
        examples: [
          { says: 'Serve on a socket', command: 'onecopy varlink --address=/run/onecopy.sock' },
          {
            says: 'List the methods',
            command: 'varlinkctl introspect /run/onecopy.sock org.onecopy.Images',
          },
          {
            says: 'Report the disk usage of an image',
            command: `varlinkctl call /run/onecopy.sock org.onecopy.Images.Df '{"names":["app"]}'`,
          },
        ],
      },
      {
        heading: 'Options',
        entries: [{ term: '--address=<path>', says: 'path of the socket to create' }],
      },
    ],
  },
};

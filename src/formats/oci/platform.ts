import { FormatError } from '#base/errors';

/** A platform in Go's names, as in image configs and index entries. An absent part is not stated; it does not mean "any". */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}

const GO_ARCHITECTURE: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  arm64: 'arm64',
  arm: 'arm',
  ppc64: 'ppc64le',
  s390x: 's390x',
  riscv64: 'riscv64',
  loong64: 'loong64',
  mips: 'mips',
  mipsel: 'mipsle',
};

/** This process's platform in Go's names: `linux/amd64` on an ordinary PC. */
export function hostPlatform(): Platform {
  return {
    os: process.platform === 'win32' ? 'windows' : process.platform,
    architecture: GO_ARCHITECTURE[process.arch] ?? process.arch,
  };
}

/**
 * Parses `os/arch[/variant]`; a single word is an architecture of Linux. Other common spellings (`x86_64`, `aarch64`) are
 * converted to Go's.
 * @throws FormatError PLATFORM_INVALID
 */
export function parsePlatform(text: string): Platform {
  const parts = text.split('/');
  const words = parts.length === 1 ? ['linux', ...parts] : parts;
  if (words.length > 3 || !words.every((word) => /^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(word))) {
    throw new FormatError(
      'PLATFORM_INVALID',
      `Cannot parse platform "${text.slice(0, 200)}": expected os/architecture[/variant]`,
      { offset: 0, what: 'platform', found: text.slice(0, 200) },
      { hint: 'For example linux/amd64 or linux/arm/v7' },
    );
  }
  const [os = '', architecture = '', variant] = words;
  const canonical = ARCHITECTURE_ALIASES[architecture.toLowerCase()] ?? architecture.toLowerCase();
  const base = { os: os.toLowerCase(), architecture: canonical };
  return variant === undefined ? base : { ...base, variant: variant.toLowerCase() };
}

const ARCHITECTURE_ALIASES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  i386: '386',
  i686: '386',
  armhf: 'arm',
  armel: 'arm',
};

/** `os/architecture[/variant]`. */
export function formatPlatform(platform: Platform): string {
  const base = `${platform.os}/${platform.architecture}`;
  return platform.variant === undefined || platform.variant === ''
    ? base
    : `${base}/${platform.variant}`;
}

/**
 * How well an offered platform fits a wanted one: 0 is an exact match, larger is worse, undefined is no match. A wanted variant
 * accepts older variants of arm, newest first; without a wanted variant the base variant is best. `arm64` and
 * `arm64/v8`, `amd64` and `amd64/v1` are the same.
 */
export function rankPlatform(offered: Platform, wanted: Platform): number | undefined {
  if (offered.os !== wanted.os || offered.architecture !== wanted.architecture) return undefined;
  const found = variantLevel(offered);
  if (wanted.variant === undefined || wanted.variant === '') {
    if (found === undefined) return WORST_RANK;
    return offered.architecture === 'arm' && found > 0 ? 16 - found : found;
  }
  if (offered.variant === wanted.variant) return 0;
  const asked = variantLevel(wanted);
  if (asked === undefined || found === undefined) return undefined;
  if (asked === found) return 0;
  return offered.architecture === 'arm' && found < asked ? asked - found : undefined;
}

/** Rank of a variant that is not `vN`: chosen only when nothing else is offered. */
const WORST_RANK = 100;

/** `v7` is 7; no variant is the base level of its architecture; any other word has no level. */
function variantLevel(platform: Platform): number | undefined {
  const { architecture, variant } = platform;
  if (variant === undefined || variant === '') {
    return architecture === 'arm64' ? 8 : architecture === 'amd64' ? 1 : 0;
  }
  const match = /^v([0-9]{1,2})$/.exec(variant);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

/** True for the placeholder platform of attestation manifests, `unknown/unknown`, which are never run. */
export function isUnknownPlatform(platform: Platform): boolean {
  return platform.os === 'unknown' && platform.architecture === 'unknown';
}

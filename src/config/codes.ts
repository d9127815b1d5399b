/*
 * Every problem code with its severity in the two modes. There is one parser: strict differs from compat in
 * these columns (and in three places that say so), so what strict accepts, compat accepts as well.
 * docs/configuration.md shows the same table; a test compares the two.
 */

type Severity = 'error' | 'warning' | 'never'

interface Code {
  strict: Severity
  compat: Severity
  meaning: string
}

const both = (severity: Severity, meaning: string): Code => ({ strict: severity, compat: severity, meaning })
const mistake = (meaning: string): Code => ({ strict: 'error', compat: 'warning', meaning })

/** The table itself. */
export const CODES = {
  'no-config': both('error', 'none of the default files exists'),
  'unreadable-file': both('error', 'a configuration file is missing, cannot be read or is no regular file'),
  'unsafe-file': both('error', 'somebody other than root could change the configuration'),
  'directory-ignored': mistake('a directory bears the name of a drop-in file'),
  'no-such-user': both('error', 'the user named on the command line does not exist'),
  'bad-expansion': both('error', 'with the name and the home of this user a path cannot be used'),

  'byte-order-mark': both('error', 'the file starts with a UTF-8 byte order mark'),
  'bad-encoding': both('error', 'the line is not valid UTF-8 outside of comments'),
  'nul-byte': mistake('a NUL byte, which ends the line for pam_namespace'),
  'invisible-character': mistake('a control character, or a space that is no separator'),
  'unterminated-quote': mistake('a quote is open at the end of the line'),
  'trailing-backslash': mistake('a backslash before the end of the line; lines cannot be continued'),
  'glued-comment': mistake('a # within a word; it starts a comment even there'),
  'missing-field': both('error', 'the line has fewer than three fields'),
  'stray-field': mistake('the line has more than four fields'),

  'invalid-polydir': both('error', 'the directory is empty'),
  'relative-path': both('error', 'a path does not start with a slash'),
  'dot-dot': both('error', 'a path contains ..'),
  'path-too-long': both('error', 'a path is longer than the kernel takes'),
  'root-polydir': mistake('the directory is /'),
  'unknown-variable': mistake('a $ that is not $USER or $HOME as a whole word'),
  'escaped-variable': mistake(
    'a backslash before $USER or $HOME, which does not keep it from being replaced',
  ),
  'user-twice': both('warning', 'the instance would bear the name of the user twice'),
  'prefix-in-home': both('warning', 'the instances lie in a home directory, whose owner can rename them'),

  'empty-method': both('error', 'no method; pam_namespace crashes on such a line'),
  'unknown-method': both('error', 'the method does not exist'),
  'empty-flag': mistake('a colon with nothing behind or before it'),
  'unknown-flag': mistake(
    'the flag does not exist; pam_namespace takes longer words for the flag they start with',
  ),
  'duplicate-flag': mistake('the flag is given twice'),
  'bad-value': mistake('the flag cannot have this value'),
  'wrong-method': mistake('the flag has no effect with this method'),
  'unused-flag': both('warning', 'the flag has no effect beside another one'),
  'decimal-mode': mistake('a mode that looks octal but lacks its leading 0'),
  'bad-mode': mistake('a mode that is not an octal number up to 07777'),
  'bad-create': both('error', 'the owner or the group in create= does not exist'),
  'suspect-mntopt': both(
    'warning',
    'tmpfs does not know the option or its value, so that the mount may fail',
  ),

  'empty-list': mistake('~ without a name: nobody is isolated'),
  'empty-name': mistake('an empty entry in the user list'),
  'unknown-user': mistake('a user in the list does not exist'),
  'unknown-group': mistake('a group in the list does not exist'),
  'bad-range': mistake('an entry with a colon that is no range of uids'),
  extension: {
    strict: 'never',
    compat: 'warning',
    meaning: 'polyns uses this, pam_namespace ignores it',
  } satisfies Code,

  'duplicate-polydir': mistake('two lines isolate the same directory for the same user'),
  'same-instance': mistake('two directories would have the same instance'),
  'parent-not-private': mistake('the directory that would hold the instances is in use by everybody'),
  'hidden-polydir': mistake('a later line covers a directory that is already isolated'),
  'nested-polydir': both('warning', 'the directory lies within one that is isolated before it'),
  'prefix-under-polydir': {
    strict: 'never',
    compat: 'warning',
    meaning:
      'the instances lie within a directory that is isolated before; pam_namespace gets at the private one then',
  } satisfies Code,
} as const satisfies Record<string, Code>

export type ProblemCode = keyof typeof CODES

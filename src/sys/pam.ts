/*
 * libpam, as far as a session can be tried: no authentication, only opening and closing. Nobody is asked anything; what the
 * modules say is kept. The calls fork from the thread that makes them, which is the one a session module then changes.
 */
import { UnsupportedError } from './errors.js'
import { koffi, libc } from './koffi.js'

const LIBRARY = 'libpam.so.0'
const PAM_TTY = 3
const PAM_RUSER = 8

type Start = (
  service: string,
  user: string,
  conv: object,
  confdir: string | null,
  handle: (bigint | null)[],
) => number
type Call = (handle: bigint, value: number) => number
type SetItem = (handle: bigint, item: number, value: string) => number
type Text = (handle: bigint | null, status: number) => string

interface Library {
  start: Start
  setItem: SetItem
  open: Call
  close: Call
  end: Call
  text: Text
  conv: object
  messages: string[]
}

let loaded: Library | undefined

/** @throws {UnsupportedError} there is no libpam, or one that is older than Linux-PAM 1.4 */
function library(): Library {
  loaded ??= load()
  return loaded
}

function load(): Library {
  try {
    const libpam = koffi.load(LIBRARY)
    const message = koffi.struct('pam_message', { style: 'int', text: 'const char *' })
    const proto = koffi.proto('int polyns_conv(int n, void *messages, void *answers, void *data)')
    koffi.struct('pam_conv', { conv: koffi.pointer(proto), data: 'void *' })
    const calloc = libc.func('calloc', 'void *', ['size_t', 'size_t'])
    const messages: string[] = []
    const converse = (count: number, list: bigint, answers: bigint) => {
      const pointers = koffi.decode(list, koffi.array(koffi.pointer(message), count)) as unknown[]
      for (const one of pointers) messages.push((koffi.decode(one, message) as { text: string }).text)
      koffi.encode(answers, 'void *', calloc(count, 16)) // libpam frees it
      return 0
    }
    const conv = { conv: koffi.register(converse, koffi.pointer(proto)), data: null }
    const start =
      'int pam_start_confdir(const char *, const char *, const pam_conv *, const char *, _Out_ void **)'
    return {
      start: libpam.func(start) as unknown as Start,
      setItem: libpam.func('int pam_set_item(void *, int, const char *)') as unknown as SetItem,
      open: libpam.func('int pam_open_session(void *, int)') as unknown as Call,
      close: libpam.func('int pam_close_session(void *, int)') as unknown as Call,
      end: libpam.func('int pam_end(void *, int)') as unknown as Call,
      text: libpam.func('const char *pam_strerror(void *, int)') as unknown as Text,
      conv,
      messages,
    }
  } catch (cause) {
    throw new UnsupportedError('trying a login', 'needs libpam of Linux-PAM 1.4 or newer', { cause })
  }
}

export interface PamCall {
  ok: boolean
  /** What PAM says of its status. */
  text: string
}

/** A PAM transaction of one session; end it by disposing. */
export class PamTrial implements Disposable {
  readonly #library = library()
  readonly #handle: bigint
  #status = 0

  /** @param options confdir: the directory of the stacks in place of /etc/pam.d @throws {UnsupportedError} see above; or no such stack */
  constructor(options: {
    service: string
    user: string
    confdir: string | null
    tty: string | null
    ruser: string
  }) {
    const { service, user, confdir, tty, ruser } = options
    const handle: (bigint | null)[] = [null]
    const status = this.#library.start(service, user, this.#library.conv, confdir, handle)
    const [started] = handle
    if (status !== 0 || started === undefined || started === null) {
      const why = this.#library.text(null, status)
      throw new UnsupportedError(`starting PAM for '${service}'`, `libpam says '${why}'`)
    }
    this.#handle = started
    this.#library.setItem(started, PAM_RUSER, ruser)
    if (tty !== null) this.#library.setItem(started, PAM_TTY, tty)
  }

  /** pam_open_session(3). */
  open(): PamCall {
    return this.#call(this.#library.open)
  }

  /** pam_close_session(3). */
  close(): PamCall {
    return this.#call(this.#library.close)
  }

  /** What the modules have said through the conversation. */
  get messages(): readonly string[] {
    return this.#library.messages
  }

  [Symbol.dispose](): void {
    this.#library.end(this.#handle, this.#status)
  }

  #call(call: Call): PamCall {
    this.#status = call(this.#handle, 0)
    return { ok: this.#status === 0, text: this.#library.text(this.#handle, this.#status) }
  }
}

//! The server: loads and initializes CPython, and forks a run process for every run.

use super::{
    api::{Address, Api},
    baton, faults,
    find::Version,
    functions, interpose,
    layout::Layout,
    local::Counters,
    memory, os_threads, references, trap,
    wire::{self, Answer, Freed, Gone, Hello, Order},
};
use std::{
    env,
    fs::File,
    io::{self, Read, Seek},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::process::ExitStatusExt,
    },
    path::{Path, PathBuf},
    process::{ExitCode, ExitStatus},
    sync::OnceLock,
};

/// The argument that makes the executable a child.
pub const CHILD_ARG: &str = "cpython-child";
/// The child is to tell the version of a libpython.
pub const PROBE: &str = "probe";
/// The child is to serve.
pub const SERVE: &str = "serve";

/// How long loading and initializing may take.
const START_SECONDS: u32 = 30;

/// What the child has loaded.
pub struct Child {
    /// The C API.
    pub api: &'static Api,
    /// Its version.
    pub version: Version,
    /// Its structs.
    pub layout: Layout,
    /// What counts its blocks, or why that is not there.
    pub counters: Result<Counters, String>,
    /// Where it lies in the file system.
    pub path: PathBuf,
    /// The first thread state of the main interpreter, which is part of it.
    pub main_tstate: Address,
}

static CHILD: OnceLock<Child> = OnceLock::new();

/// What the child has loaded; only in the child.
pub fn child() -> &'static Child {
    match CHILD.get() {
        Some(child) => child,
        None => trap::die(format_args!("CPython is not loaded")),
    }
}

/// Runs the child if the executable was started as one.
///
/// The `cloister` command calls this before anything else.
pub fn child_main() -> Option<ExitCode> {
    let mut args = env::args_os().skip(1);
    if args.next()? != CHILD_ARG {
        return None;
    }
    let (task, path) = (args.next()?, args.next()?);
    let path = Path::new(&path);
    let code = if task == PROBE {
        match Api::version_text(path) {
            Ok(version) => {
                println!("{version}");
                ExitCode::SUCCESS
            }
            Err(_) => ExitCode::FAILURE,
        }
    } else if serve(path).is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    Some(code)
}

/// Serves orders until the parent goes.
fn serve(path: &Path) -> io::Result<()> {
    let (mut orders, mut answers) = take_over_stdio()?;
    keep_quiet();
    // SAFETY: without a handler, the alarm ends the process.
    unsafe { libc::alarm(START_SECONDS) };
    let hello = match load(path) {
        Ok(child) => {
            let hello = Hello {
                version: child.version,
                shows_gils: child.layout.gils,
                counts_blocks: child.counters.is_ok(),
            };
            let _ = CHILD.set(child);
            Answer::Hello(hello)
        }
        Err(reason) => Answer::Unusable(format!("{}: {reason}", path.display())),
    };
    // SAFETY: cancels it.
    unsafe { libc::alarm(0) };
    wire::send(&mut answers, &hello)?;
    let mut said = memory_file()?;
    while let Some(order) = wire::receive::<Order>(&mut orders)? {
        match order {
            Order::Run { threads, freed, patience_seconds } => {
                let life = Life { threads, freed, patience_seconds, orders: &orders, answers: &answers };
                let gone = fork(&mut said, &life)?;
                wire::send(&mut answers, &Answer::Gone(gone))?;
            }
            Order::Finish => break,
            _ => wire::send(&mut answers, &Answer::Refused("no run has begun".into()))?,
        }
    }
    Ok(())
}

/// The pipes to the parent, out of the way of what CPython may write or read.
fn take_over_stdio() -> io::Result<(File, File)> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    // SAFETY: duplicates descriptors that are open, and owns the duplicates.
    unsafe {
        let orders = OwnedFd::from_raw_fd(check(libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 10))?);
        let answers = OwnedFd::from_raw_fd(check(libc::fcntl(1, libc::F_DUPFD_CLOEXEC, 10))?);
        check(libc::dup2(null.as_raw_fd(), 0))?;
        check(libc::dup2(null.as_raw_fd(), 1))?;
        Ok((orders.into(), answers.into()))
    }
}

/// An interrupt is for the parent, and a crash is an outcome that needs no core file.
fn keep_quiet() {
    // SAFETY: both change this process alone.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 });
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn memory_file() -> io::Result<File> {
    // SAFETY: makes a new descriptor, and owns it.
    unsafe {
        let fd = check(libc::memfd_create(c"said".as_ptr(), libc::MFD_CLOEXEC))?;
        Ok(OwnedFd::from_raw_fd(fd).into())
    }
}

fn load(path: &Path) -> Result<Child, String> {
    let version = Api::version_text(path)?;
    let version = Version::parse(&version).ok_or(format!("unknown version {version}"))?;
    let api: &'static Api = Box::leak(Box::new(Api::load(path)?));
    if !interpose::is_effective() || !os_threads::is_effective() {
        return Err("the executable does not export the pthread functions (see build.rs)".into());
    }
    initialize(api, path)?;
    let layout = Layout::check(version, api)?;
    let main_tstate = api.current();
    memory::install(api, layout.initial_thread)?;
    keep_breaker_quiet(api)?;
    let counters = Counters::find(api, path);
    Ok(Child { api, version, layout, counters, path: path.to_path_buf(), main_tstate })
}

/// Initializes CPython, for the first time or again, with what faults and operations need in it.
pub fn initialize(api: &'static Api, path: &Path) -> Result<(), String> {
    faults::install(api);
    api.initialize(path)?;
    functions::look_up(api);
    Ok(())
}

/// Lets nothing but what a run does set the eval breaker of the main interpreter: no
/// collection of garbage is scheduled, and one that was is made now.
pub fn keep_breaker_quiet(api: &Api) -> Result<(), String> {
    api.disable_gc();
    api.poll().map(|_| ())
}

/// The life of a run process.
struct Life<'a> {
    threads: u8,
    freed: Freed,
    patience_seconds: u32,
    orders: &'a File,
    answers: &'a File,
}

impl Life<'_> {
    fn live(&self) -> ! {
        trap::install(child().layout);
        memory::set_freed(self.freed);
        references::begin(child().api);
        match (self.orders.try_clone(), self.answers.try_clone()) {
            (Ok(orders), Ok(answers)) => baton::live(self.threads, self.patience_seconds, orders, answers),
            (Err(e), _) | (_, Err(e)) => trap::die(format_args!("no descriptors are left: {e}")),
        }
    }
}

/// Forks a run process and waits for its end.
fn fork(said: &mut File, life: &Life<'_>) -> io::Result<Gone> {
    said.set_len(0)?;
    said.rewind()?;
    // SAFETY: the server has one thread, so its copy can go on.
    let pid = check(unsafe { libc::fork() })?;
    if pid == 0 {
        // SAFETY: both descriptors are open.
        unsafe { libc::dup2(said.as_raw_fd(), libc::STDERR_FILENO) };
        life.live();
    }
    let mut status = 0;
    // SAFETY: waits for our own child.
    check(unsafe { libc::waitpid(pid, &mut status, 0) })?;
    let status = ExitStatus::from_raw(status);
    let mut text = Vec::new();
    said.rewind()?;
    said.take(1 << 16).read_to_end(&mut text)?;
    let said = String::from_utf8_lossy(&text).into_owned();
    Ok(Gone { signal: status.signal(), code: status.code(), said })
}

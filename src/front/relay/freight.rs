//! Bytes of one direction on their way: read, and passed on in the same breath as far
//! as there is room.
//!
//! Invariants: all operations can be dropped at any await without losing or doubling a
//! byte; a byte is passed on before any that was read after it; where nothing waits, as
//! on every idle connection, nothing is owned.

use super::pipe::{Outlet, Pipe};
use super::{PIECE_BYTES, WRITE_SECONDS_MAX, bounded};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

/// Which side failed.
#[derive(Debug)]
pub enum Failed {
    /// The one that is read from.
    Source(io::Error),
    /// The one that is written to.
    Sink(io::Error),
}

/// See the module.
#[derive(Debug, Default)]
pub struct Freight {
    bytes: Vec<u8>,
    start: usize,
    pipe: Option<Pipe>,
}

thread_local! {
    /// Where every connection reads; what finds no room is then copied to its owner.
    static DESK: RefCell<[u8; PIECE_BYTES]> = const { RefCell::new([0; PIECE_BYTES]) };
}

impl Freight {
    /// Reads once, and writes of it what there is room for; 0 is the end. Nothing may be
    /// waiting. `heed` is shown what was read, before any of it is written.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn load(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        mut heed: impl FnMut(&[u8]),
    ) -> Result<usize, Failed> {
        poll_fn(|cx| {
            DESK.with_borrow_mut(|desk| {
                let mut desk = ReadBuf::new(desk);
                ready!(Pin::new(&mut *from).poll_read(cx, &mut desk)).map_err(Failed::Source)?;
                if !desk.filled().is_empty() {
                    heed(desk.filled());
                }
                let passed = self.pass_on(cx, desk.filled(), to);
                // It may have been a password, and the next to read here is somebody else.
                sandbox::wipe(desk.filled_mut());
                Poll::Ready(passed)
            })
        })
        .await
    }

    fn pass_on(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<usize, Failed> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let passed = match Pin::new(to).poll_write(cx, bytes) {
            Poll::Ready(passed) => passed.map_err(Failed::Sink)?,
            Poll::Pending => 0,
        };
        let rest = bytes.get(passed..).unwrap_or_default();
        (self.bytes, self.start) = (rest.to_vec(), 0);
        Ok(bytes.len())
    }

    /// Writes what waits, and makes it leave.
    ///
    /// # Errors
    /// The other side failed, or had no room for too long.
    pub async fn deliver(&mut self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        bounded(WRITE_SECONDS_MAX, async {
            while let Some(rest) = self.bytes.get(self.start..).filter(|it| !it.is_empty()) {
                match to.write(rest).await? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    written => self.start = self.start.saturating_add(written),
                }
            }
            (self.bytes, self.start) = (Vec::new(), 0);
            to.flush().await
        })
        .await
    }

    /// Splices until there is nothing to read now (`false`), or never again (`true`). It
    /// goes on with what it held when it was dropped.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn splice(&mut self, from: impl AsFd, to: &impl Outlet) -> Result<bool, Failed> {
        loop {
            self.finish_splicing(to).await.map_err(Failed::Sink)?;
            let Some(pipe) = self.pipe.as_mut() else {
                return Ok(false);
            };
            match pipe.fill(&from).map_err(Failed::Source)? {
                Some(0) => return Ok(true),
                Some(_) => {}
                None => {
                    if let Some(pipe) = self.pipe.take() {
                        pipe.leave();
                    }
                    return Ok(false);
                }
            }
            tokio::task::coop::consume_budget().await;
        }
    }

    /// Has a pipe to splice through, if there is one to be had.
    pub fn begin_splicing(&mut self) {
        self.pipe = self.pipe.take().or_else(Pipe::take);
    }

    /// Whether it has been begun, and not come to its end.
    pub fn is_splicing(&self) -> bool {
        self.pipe.is_some()
    }

    async fn finish_splicing(&mut self, to: &impl Outlet) -> io::Result<()> {
        match &mut self.pipe {
            Some(pipe) => bounded(WRITE_SECONDS_MAX, pipe.empty(to)).await,
            None => Ok(()),
        }
    }
}

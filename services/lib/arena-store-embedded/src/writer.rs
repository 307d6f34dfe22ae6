//! The one writer of a database: writes that wait together are committed together.
//!
//! A sync to disk costs the same for one write as for a hundred, so the writer takes what has
//! queued up while the last commit ran, runs each job in a savepoint of one transaction, commits
//! once, and only then answers them all (group commit). A job that fails on its own undoes its
//! savepoint; an error of the engine fails the whole batch, and the connection is opened anew.

use std::sync::Arc;

use arena_store::StoreError;
use async_trait::async_trait;
use futures::future::BoxFuture;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use crate::fault::{Fault, is_full, translate};

/// Most jobs of one commit: bounds what an engine's error takes with it, and the first one's wait.
const BATCH_MAX: usize = 256;
/// Most jobs waiting; beyond it callers wait to enqueue.
const QUEUE_MAX: usize = 1024;

/// Takes jobs; ends when the last clone is dropped and the queue is empty.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Box<dyn Job>>,
    file: Arc<str>,
}

/// What a job does with the transaction's connection.
pub(crate) type Work<'c, T> = BoxFuture<'c, Result<T, Fault>>;

impl Writer {
    /// Starts the writer's task on an open connection.
    pub(crate) fn start(
        connection: SqliteConnection,
        options: SqliteConnectOptions,
        file: &str,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let file: Arc<str> = file.into();
        let task = Task { options, file: file.clone(), connection: Some(connection) };
        (Self { jobs, file }, tokio::spawn(task.run(queue)))
    }

    /// Runs `work` in a transaction; answers when it is on disk.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Work<'c, T> + Send + 'static,
    {
        self.write_then(work, |_| ()).await
    }

    /// Like [`Self::write`], and calls `after` once it is on disk, in the order of the commits.
    pub(crate) async fn write_then<T, F, A>(&self, work: F, after: A) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Work<'c, T> + Send + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let file = self.file.clone();
        let job = Request { work: Some(work), after, outcome: None, reply, file };
        let stopped = || StoreError::unavailable(format!("{}: the store is closing", self.file));
        self.jobs.send(Box::new(job)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

/// How a job leaves its savepoint.
enum Ran {
    /// Its changes stay.
    Keep,
    /// Its changes go, the others of the batch stay.
    Undo,
    /// The engine failed: the whole batch goes.
    Abort(StoreError),
}

#[async_trait]
trait Job: Send {
    async fn run(&mut self, connection: &mut SqliteConnection) -> Ran;

    /// Answers; `batch` is the error the whole batch failed with.
    fn finish(self: Box<Self>, batch: Option<&StoreError>);
}

struct Request<T, F, A> {
    work: Option<F>,
    after: A,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
    file: Arc<str>,
}

#[async_trait]
impl<T, F, A> Job for Request<T, F, A>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> Work<'c, T> + Send + 'static,
    A: FnOnce(&T) + Send + 'static,
{
    async fn run(&mut self, connection: &mut SqliteConnection) -> Ran {
        let Some(work) = self.work.take() else { return Ran::Undo };
        match work(connection).await {
            Ok(value) => {
                self.outcome = Some(Ok(value));
                Ran::Keep
            }
            Err(Fault::Store(error)) => {
                self.outcome = Some(Err(error));
                Ran::Undo
            }
            Err(fault @ Fault::Engine(_)) => Ran::Abort(fault.into_store_error(&self.file)),
        }
    }

    fn finish(self: Box<Self>, batch: Option<&StoreError>) {
        let outcome = match (batch, self.outcome) {
            (Some(error), _) => Err(error.clone()),
            (None, Some(outcome)) => outcome,
            (None, None) => Err(StoreError::unavailable(format!("{}: not run", self.file))),
        };
        if let Ok(value) = &outcome {
            (self.after)(value);
        }
        // The caller may have given up; what was written stays written.
        let _ = self.reply.send(outcome);
    }
}

struct Task {
    options: SqliteConnectOptions,
    file: Arc<str>,
    connection: Option<SqliteConnection>,
}

impl Task {
    async fn run(mut self, mut queue: mpsc::Receiver<Box<dyn Job>>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let failed = self.commit(&mut batch).await.err();
            if let Some(error) = &failed {
                tracing::error!(file = %self.file, jobs = batch.len(), %error, "a commit failed");
                self.connection = None;
            }
            for job in batch.drain(..) {
                job.finish(failed.as_ref());
            }
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(file = %self.file, %error, "a database did not close cleanly");
        }
    }

    /// Runs the jobs in one transaction. After an error nothing of it is written, unless the error
    /// says that it is uncertain.
    async fn commit(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        let file = self.file.clone();
        let engine = |error: sqlx::Error| translate(&error, &file);
        if self.connection.is_none() {
            self.connection = Some(self.options.connect().await.map_err(engine)?);
        }
        let Some(connection) = &mut self.connection else {
            return Err(StoreError::unavailable("no connection"));
        };
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(engine)?;
        if let [job] = batch {
            match job.run(&mut transaction).await {
                Ran::Keep => {}
                Ran::Undo => return transaction.rollback().await.map_err(engine),
                Ran::Abort(error) => return Err(error),
            }
        } else {
            for job in batch {
                let mut savepoint = transaction.begin().await.map_err(engine)?;
                match job.run(&mut savepoint).await {
                    Ran::Keep => savepoint.commit().await.map_err(engine)?,
                    Ran::Undo => savepoint.rollback().await.map_err(engine)?,
                    Ran::Abort(error) => return Err(error),
                }
            }
        }
        transaction.commit().await.map_err(|error| {
            if is_full(&error) {
                translate(&error, &file)
            } else {
                StoreError::Uncertain { reason: format!("{file}: {error}") }
            }
        })
    }
}

//! Transports and receivers whose type is only known when the program runs, and those behind pointers.

use super::{
    Address, Packet, Promises, Receipt, Received, Receiver, Subscription, Transport,
    TransportError, TransportLimits,
};
use std::pin::Pin;
use std::sync::Arc;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, TransportError>> + Send + 'a>>;

/// A [`Transport`] whose type is only known when the program runs: `Arc<dyn DynTransport>` and
/// `Box<dyn DynTransport>` are transports. Every transport is one whose receivers borrow nothing; each
/// operation costs one allocation more.
///
/// ```
/// use coordination_protocol::route::RouteKey;
/// use coordination_protocol::storage::block_on;
/// use coordination_protocol::transport::{
///     Address, DynTransport, MemoryTransport, Packet, Receiver, Transport,
/// };
/// use std::sync::Arc;
///
/// let transport: Arc<dyn DynTransport> = Arc::new(MemoryTransport::new());
/// block_on(async {
///     let hub = Address::new("hub")?;
///     let mut inbox = transport.listen(&hub, 10).await?;
///     let key = RouteKey::new("TASK_FAILED", "wf_001", "build");
///     transport.send(&hub, [Packet::new(key, "one".as_bytes())]).await?;
///     inbox.receive().await?;
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait DynTransport: Send + Sync {
    /// [`Transport::limits`].
    fn boxed_limits(&self) -> TransportLimits;

    /// [`Transport::promises`].
    fn boxed_promises(&self) -> Promises;

    /// [`Transport::publish`].
    fn boxed_publish(&self, packets: Arc<[Packet]>) -> Boxed<'_, Receipt>;

    /// [`Transport::subscribe`].
    fn boxed_subscribe<'a>(
        &'a self,
        subscription: &'a Subscription,
    ) -> Boxed<'a, Box<dyn DynReceiver>>;

    /// [`Transport::send`].
    fn boxed_send<'a>(&'a self, to: &'a Address, packets: Arc<[Packet]>) -> Boxed<'a, ()>;

    /// [`Transport::listen`].
    fn boxed_listen<'a>(
        &'a self,
        at: &'a Address,
        capacity: usize,
    ) -> Boxed<'a, Box<dyn DynReceiver>>;
}

/// A [`Receiver`] whose type is only known when the program runs: `Box<dyn DynReceiver>` is a receiver.
pub trait DynReceiver: Send {
    /// [`Receiver::receive`].
    fn boxed_receive(&mut self) -> Boxed<'_, Received>;
}

impl<R: Receiver> DynReceiver for R {
    fn boxed_receive(&mut self) -> Boxed<'_, Received> {
        Box::pin(self.receive())
    }
}

impl Receiver for dyn DynReceiver + '_ {
    async fn receive(&mut self) -> Result<Received, TransportError> {
        self.boxed_receive().await
    }
}

impl<T: Transport> DynTransport for T
where
    T::Receiver: 'static,
{
    fn boxed_limits(&self) -> TransportLimits {
        self.limits()
    }

    fn boxed_promises(&self) -> Promises {
        self.promises()
    }

    fn boxed_publish(&self, packets: Arc<[Packet]>) -> Boxed<'_, Receipt> {
        Box::pin(self.publish(packets))
    }

    fn boxed_subscribe<'a>(
        &'a self,
        subscription: &'a Subscription,
    ) -> Boxed<'a, Box<dyn DynReceiver>> {
        Box::pin(async move {
            Ok(Box::new(self.subscribe(subscription).await?) as Box<dyn DynReceiver>)
        })
    }

    fn boxed_send<'a>(&'a self, to: &'a Address, packets: Arc<[Packet]>) -> Boxed<'a, ()> {
        Box::pin(self.send(to, packets))
    }

    fn boxed_listen<'a>(
        &'a self,
        at: &'a Address,
        capacity: usize,
    ) -> Boxed<'a, Box<dyn DynReceiver>> {
        Box::pin(
            async move { Ok(Box::new(self.listen(at, capacity).await?) as Box<dyn DynReceiver>) },
        )
    }
}

impl Transport for dyn DynTransport + '_ {
    type Receiver = Box<dyn DynReceiver>;

    fn limits(&self) -> TransportLimits {
        self.boxed_limits()
    }

    fn promises(&self) -> Promises {
        self.boxed_promises()
    }

    async fn publish(
        &self,
        packets: impl Into<Arc<[Packet]>> + Send,
    ) -> Result<Receipt, TransportError> {
        self.boxed_publish(packets.into()).await
    }

    async fn subscribe(
        &self,
        subscription: &Subscription,
    ) -> Result<Self::Receiver, TransportError> {
        self.boxed_subscribe(subscription).await
    }

    async fn send(
        &self,
        to: &Address,
        packets: impl Into<Arc<[Packet]>> + Send,
    ) -> Result<(), TransportError> {
        self.boxed_send(to, packets.into()).await
    }

    async fn listen(
        &self,
        at: &Address,
        capacity: usize,
    ) -> Result<Self::Receiver, TransportError> {
        self.boxed_listen(at, capacity).await
    }
}

/// A pointer to a transport is one.
macro_rules! behind {
    ($($pointer:ty),+) => { $(
        impl<T: Transport + ?Sized> Transport for $pointer {
            type Receiver = T::Receiver;

            fn limits(&self) -> TransportLimits {
                (**self).limits()
            }

            fn promises(&self) -> Promises {
                (**self).promises()
            }

            fn publish(
                &self,
                packets: impl Into<Arc<[Packet]>> + Send,
            ) -> impl Future<Output = Result<Receipt, TransportError>> + Send {
                (**self).publish(packets)
            }

            fn subscribe(
                &self,
                subscription: &Subscription,
            ) -> impl Future<Output = Result<Self::Receiver, TransportError>> + Send {
                (**self).subscribe(subscription)
            }

            fn send(
                &self,
                to: &Address,
                packets: impl Into<Arc<[Packet]>> + Send,
            ) -> impl Future<Output = Result<(), TransportError>> + Send {
                (**self).send(to, packets)
            }

            fn listen(
                &self,
                at: &Address,
                capacity: usize,
            ) -> impl Future<Output = Result<Self::Receiver, TransportError>> + Send {
                (**self).listen(at, capacity)
            }
        }
    )+ };
}
behind!(&T, Box<T>, Arc<T>);

/// A pointer to a receiver is one.
macro_rules! receiver_behind {
    ($($pointer:ty),+) => { $(
        impl<R: Receiver + ?Sized> Receiver for $pointer {
            fn receive(&mut self) -> impl Future<Output = Result<Received, TransportError>> + Send {
                (**self).receive()
            }
        }
    )+ };
}
receiver_behind!(&mut R, Box<R>);

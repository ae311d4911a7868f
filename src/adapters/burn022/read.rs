//! One readback: tensors are asked for one by one and come from each device in one transaction.

use burn022::tensor::{DType, Device, Int, Tensor, TensorData, Transaction, bf16, f16};

use crate::{Error, View};

/// The claim to what was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket(usize);

/// Tensors that wait to be read, by device.
#[derive(Default)]
pub(super) struct Readback {
    lanes: Vec<(Device, Vec<(usize, Tensor<1>)>)>,
    count: usize,
}

impl Readback {
    /// Asks for all of a tensor.
    pub(super) fn ask(&mut self, tensor: Tensor<1>) -> Ticket {
        let device = tensor.device();
        let entry = (self.count, tensor);
        match self.lanes.iter_mut().find(|(known, _)| *known == device) {
            Some((_, lane)) => lane.push(entry),
            None => self.lanes.push((device, vec![entry])),
        }
        self.count += 1;
        Ticket(self.count - 1)
    }

    /// Asks for some coordinates of a tensor.
    pub(super) fn ask_some(&mut self, tensor: Tensor<1>, positions: &[i32]) -> Ticket {
        if positions.is_empty() {
            let nothing = Tensor::empty([0], &tensor.device());
            return self.ask(nothing);
        }
        let device = tensor.device();
        let positions = Tensor::<1, Int>::from_ints(positions, &device);
        self.ask(tensor.select(0, positions))
    }

    /// Reads everything.
    ///
    /// # Errors
    /// [`Error::DeviceRead`] with what the device said.
    pub(super) fn execute(self) -> Result<Answers, Error> {
        let mut data: Vec<Option<TensorData>> = Vec::new();
        data.resize_with(self.count, || None);
        for (device, lane) in self.lanes {
            let mut transaction = Transaction::default();
            let mut places = Vec::with_capacity(lane.len());
            for (place, tensor) in lane {
                // Tensors without elements have nothing to be read.
                if tensor.dims() == [0] {
                    continue;
                }
                places.push(place);
                transaction = transaction.register(tensor);
            }
            if places.is_empty() {
                continue;
            }
            let read = transaction
                .try_execute()
                .map_err(|cause| Error::DeviceRead {
                    place: format!("a snapshot on {device:?}"),
                    cause: cause.to_string(),
                })?;
            for (place, one) in places.into_iter().zip(read) {
                data[place] = Some(one);
            }
        }
        Ok(Answers(data.into_iter().map(Values::new).collect()))
    }
}

/// What came.
pub(super) struct Answers(Vec<Result<Values, Error>>);

impl Answers {
    pub(super) fn values(&self, ticket: Ticket) -> Result<&Values, Error> {
        match self.0.get(ticket.0) {
            Some(Ok(values)) => Ok(values),
            Some(Err(error)) => Err(error.clone()),
            None => Err(Error::DeviceRead {
                place: "a snapshot".to_owned(),
                cause: "it answered with fewer tensors than asked for".to_owned(),
            }),
        }
    }

    /// The sum of all that came for these tickets, in `f64`.
    pub(super) fn total(&self, tickets: &[Ticket]) -> Result<f64, Error> {
        let mut total = 0.0;
        for &ticket in tickets {
            total += self.values(ticket)?.view().total();
        }
        Ok(total)
    }
}

/// Numbers of one tensor in a type that [`View`] knows, held as burn holds them.
pub(super) enum Values {
    F32(TensorData),
    F64(TensorData),
    Bf16(TensorData),
    F16(TensorData),
    Widened(Vec<f64>),
}

impl Values {
    fn new(data: Option<TensorData>) -> Result<Self, Error> {
        let Some(data) = data else {
            return Ok(Self::Widened(Vec::new()));
        };
        let fault = |cause: &dyn std::fmt::Display| Error::DeviceRead {
            place: "a tensor of a snapshot".to_owned(),
            cause: cause.to_string(),
        };
        // The bits of half precision, where they lie.
        let bits = |data: TensorData| {
            let (bytes, shape, _) = data.into_parts();
            TensorData::try_from_bytes(bytes, shape, DType::U16)
        };
        let values = match data.dtype() {
            DType::F32 => Self::F32(data),
            DType::F64 => Self::F64(data),
            DType::BF16 => Self::Bf16(bits(data).map_err(|e| fault(&e))?),
            DType::F16 => Self::F16(bits(data).map_err(|e| fault(&e))?),
            _ => Self::Widened(data.try_into_vec_as::<f64>().map_err(|e| fault(&e))?),
        };
        // Once here, so that views cannot fail.
        match &values {
            Self::F32(data) => data.as_slice::<f32>().map(drop),
            Self::F64(data) => data.as_slice::<f64>().map(drop),
            Self::Bf16(data) | Self::F16(data) => data.as_slice::<u16>().map(drop),
            Self::Widened(_) => Ok(()),
        }
        .map_err(|e| fault(&e))?;
        Ok(values)
    }

    pub(super) fn view(&self) -> View<'_> {
        match self {
            Self::F32(data) => View::F32(data.as_slice().unwrap_or_default()),
            Self::F64(data) => View::F64(data.as_slice().unwrap_or_default()),
            Self::Bf16(data) => View::Bf16(data.as_slice().unwrap_or_default()),
            Self::F16(data) => View::F16(data.as_slice().unwrap_or_default()),
            Self::Widened(values) => View::F64(values),
        }
    }
}

impl View<'_> {
    fn total(&self) -> f64 {
        match *self {
            Self::F32(values) => values.iter().map(|&x| f64::from(x)).sum(),
            Self::F64(values) => values.iter().sum(),
            Self::Bf16(bits) => bits.iter().map(|&x| bf16::from_bits(x).to_f64()).sum(),
            Self::F16(bits) => bits.iter().map(|&x| f16::from_bits(x).to_f64()).sum(),
        }
    }
}

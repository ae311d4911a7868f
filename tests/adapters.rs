//! The same weights and gradients through every adapter give the same sums.
//!
//! A binary of its own: adapters are tested with features of their own, and the rest need not be built
//! again for each of them. What they are compared on is in `routes`, which the tests of burn share.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

mod routes;

use routes::{COLUMNS, ROWS, STEPS, Tensors, apart, group, observed, reference, run};
use thermograd::{Error, Groups, Observer, Snapshot, Step, Sums, Symmetry};

#[test]
fn what_is_kept_goes_to_any_thread() {
    fn kept<T: Send + Sync + std::fmt::Debug>() {}
    kept::<thermograd::adapters::candle011::Parameters>();
}

#[test]
fn the_reference_has_every_sum_that_is_compared() {
    let sums = reference(&run());
    for (value, name) in sums.to_array().into_iter().zip(Sums::FIELDS) {
        let unused = matches!(
            name,
            "u_count" | "d_count" | "trace_count" | "w_u" | "u_u" | "g_u" | "trace" | "signal"
        ) || name.contains("_d")
            || name.starts_with('d');
        let optional = name == "dg_dg" || unused;
        assert!(optional || value != 0.0, "{name} = {value}");
    }
}

#[cfg(feature = "ndarray017")]
mod ndarray {
    use super::*;
    use ndarray017::{Array2, ArrayView2, Axis, ShapeBuilder, Slice};
    use thermograd::adapters::ndarray017::tensor;

    fn array(data: &[f32]) -> ArrayView2<'_, f32> {
        ArrayView2::from_shape((ROWS, COLUMNS), data).unwrap()
    }

    /// The same logical array in a larger one, every second column, rows backwards.
    fn scattered(data: &[f32]) -> Array2<f32> {
        let mut large = Array2::from_elem((ROWS, 2 * COLUMNS + 3), f32::NAN);
        let mut part = large.view_mut();
        part.slice_axis_inplace(Axis(1), columns());
        part.invert_axis(Axis(0));
        part.assign(&array(data));
        large
    }

    fn columns() -> Slice {
        Slice::new(1, Some(2 * COLUMNS.cast_signed() + 1), 2)
    }

    fn view(large: &Array2<f32>) -> ArrayView2<'_, f32> {
        let mut part = large.slice_axis(Axis(1), columns());
        part.invert_axis(Axis(0));
        part
    }

    #[test]
    fn contiguous_arrays_have_the_bits_of_slices() {
        let run = run();
        let sums = observed(run.iter().map(|at| {
            tensor(group(), array(&at.w), array(&at.g))
                .unwrap()
                .second_gradient(array(&at.g2))
                .unwrap()
        }));
        assert_eq!(sums, reference(&run));
    }

    #[test]
    fn strided_and_transposed_arrays_have_the_bits_of_slices() {
        let run = run();
        let stored: Vec<_> = run
            .iter()
            .enumerate()
            .map(|(i, at)| {
                // Column-major on even steps: the layout may change from one step to the next.
                let mut g = Array2::zeros((ROWS, COLUMNS).set_f(i % 2 == 0));
                g.assign(&array(&at.g));
                (scattered(&at.w), g, array(&at.g2).t().to_owned())
            })
            .collect();
        let sums = observed(stored.iter().map(|(w, g, g2)| {
            tensor(group(), view(w), g.view())
                .unwrap()
                .second_gradient(g2.t())
                .unwrap()
        }));
        assert_eq!(sums, reference(&run));
    }

    #[test]
    fn any_number_of_axes() {
        let data: Vec<f64> = (0..120).map(f64::from).collect();
        let whole = ArrayView2::from_shape((24, 5), &data).unwrap();
        let cube = whole.to_shape((2, 3, 4, 5)).unwrap();
        let turned = cube.view().permuted_axes([3, 1, 0, 2]);
        let of = |snapshot: &dyn Snapshot| observed([snapshot]);
        let expected: f64 = data.iter().map(|x| x * x).sum();
        for sums in [
            of(&tensor(group(), turned, turned).unwrap()),
            of(&tensor(group(), turned.into_dyn(), turned.into_dyn()).unwrap()),
        ] {
            assert_eq!(
                (sums.w_count, sums.w_w, sums.w_g),
                (120.0, expected, expected)
            );
        }
        let point = ArrayView2::from_shape((1, 1), &[3.0]).unwrap();
        let scalar = point.index_axis(Axis(0), 0).index_axis_move(Axis(0), 0);
        assert_eq!(of(&tensor(group(), scalar, scalar).unwrap()).w_w, 9.0);
        let row = whole.slice_axis(Axis(0), Slice::from(2..3));
        let broadcast = row.broadcast((7, 5)).unwrap();
        let w_w = of(&tensor(group(), broadcast, broadcast).unwrap()).w_w;
        assert_eq!(w_w, 7.0 * row.iter().map(|x| x * x).sum::<f64>());
    }

    #[test]
    fn shapes_that_differ_are_refused_even_where_lengths_agree() {
        let data = vec![1.0_f32; ROWS * COLUMNS];
        let refused = tensor(group(), array(&data), array(&data).reversed_axes()).unwrap_err();
        assert!(matches!(
            refused,
            Error::ShapeMismatch { ref place, .. } if place == "gradient"
        ));
        let empty = ArrayView2::<f32>::from_shape((0, 4), &[]).unwrap();
        let mut observer = {
            let mut groups = Groups::new();
            groups.add("layer", Symmetry::Generic);
            Observer::new(groups).unwrap()
        };
        let refused = observer.observe(&Step::new(0.5), &tensor(group(), empty, empty).unwrap());
        assert!(matches!(refused, Err(Error::Empty { .. })), "{refused:?}");
    }
}

#[cfg(feature = "nalgebra035")]
mod nalgebra {
    use super::*;
    use ::nalgebra::{DMatrix, DMatrixView, Dyn};
    use thermograd::adapters::nalgebra035::tensor;

    /// A row-major buffer seen through its strides.
    fn strided(data: &[f32]) -> DMatrixView<'_, f32, Dyn, Dyn> {
        DMatrixView::from_slice_with_strides_generic(
            data,
            Dyn(ROWS),
            Dyn(COLUMNS),
            Dyn(COLUMNS),
            Dyn(1),
        )
    }

    #[test]
    fn any_layout_has_the_sums_of_slices() {
        let run = run();
        let owned: Vec<[DMatrix<f32>; 3]> = run
            .iter()
            .map(|at| {
                [&at.w, &at.g, &at.g2].map(|data| DMatrix::from_row_slice(ROWS, COLUMNS, data))
            })
            .collect();
        let by_matrix = observed(
            owned
                .iter()
                .map(|[w, g, g2]| tensor(group(), w, g).unwrap().second_gradient(g2).unwrap()),
        );
        let by_view = observed(run.iter().zip(&owned).map(|(at, [w, _, _])| {
            tensor(group(), w, strided(&at.g))
                .unwrap()
                .second_gradient(strided(&at.g2))
                .unwrap()
        }));
        // Columns before rows: the same coordinates in another order.
        assert_eq!(by_matrix, by_view);
        let (difference, name) = apart(&by_matrix, &reference(&run));
        assert!(difference < 1e-12, "{name}: {difference:e}");
    }

    #[test]
    fn shapes_that_differ_are_refused() {
        let (wide, tall) = (DMatrix::<f64>::zeros(2, 3), DMatrix::<f64>::zeros(3, 2));
        let refused = tensor(group(), &wide, &tall);
        assert!(matches!(refused, Err(Error::ShapeMismatch { .. })));
    }
}

#[cfg(feature = "candle011")]
mod candle {
    use super::*;
    use candle_core011::{DType, Device, Tensor, Var, backprop::GradStore};
    use candle_nn011::{Module, ModuleT, VarBuilder, VarMap, batch_norm, layer_norm, linear};
    use thermograd::{
        Assignment, Collector,
        adapters::candle011::{Parameters, names},
    };

    /// A snapshot that owns what candle's borrows.
    struct Held {
        parameters: Parameters,
        gradients: GradStore,
        second: GradStore,
        by_candle: bool,
    }

    impl Snapshot for Held {
        fn visit(&self, out: &mut Collector<'_>) -> Result<(), Error> {
            let snapshot = self
                .parameters
                .snapshot(&self.gradients)
                .second_gradient(&self.second);
            if self.by_candle {
                snapshot.reduced_by_candle().visit(out)
            } else {
                snapshot.visit(out)
            }
        }
    }

    fn matrix(data: &[f32], dtype: DType) -> Tensor {
        Tensor::from_slice(data, (ROWS, COLUMNS), &Device::Cpu)
            .unwrap()
            .to_dtype(dtype)
            .unwrap()
    }

    /// A store in which the gradient of `var` is `gradient`: that of Σ w·c is c itself. A gradient
    /// that somebody put there may be laid out as a transpose.
    fn store(var: &Var, gradient: &Tensor, transposed: bool) -> GradStore {
        let w = var.as_tensor();
        let mut store = (w * gradient)
            .unwrap()
            .sum_all()
            .unwrap()
            .backward()
            .unwrap();
        if transposed {
            let turned = gradient.t().unwrap().contiguous().unwrap().t().unwrap();
            store.insert(w, turned);
        }
        let found = store.get(w).unwrap();
        assert_eq!(found.is_contiguous(), !transposed);
        store
    }

    fn held(at: &Tensors, dtype: DType, transposed: bool, by_candle: bool) -> Held {
        let vars = VarMap::new();
        let var = Var::from_tensor(&matrix(&at.w, dtype)).unwrap();
        vars.data()
            .lock()
            .unwrap()
            .insert("layer.weight".to_owned(), var.clone());
        let layers = Assignment::by_module(["layer.weight"]);
        Held {
            parameters: Parameters::new(&vars, &layers).unwrap(),
            gradients: store(&var, &matrix(&at.g, dtype), transposed),
            second: store(&var, &matrix(&at.g2, dtype), transposed),
            by_candle,
        }
    }

    #[test]
    fn host_tensors_of_any_layout_have_the_bits_of_slices() {
        let run = run();
        for transposed in [false, true] {
            let sums = observed(run.iter().map(|at| held(at, DType::F32, transposed, false)));
            assert_eq!(sums, reference(&run), "transposed: {transposed}");
        }
    }

    #[test]
    fn sums_formed_by_candle_agree_to_a_millionth() {
        let run = run();
        let at = &run[STEPS - 1];
        let expected = reference(&run[STEPS - 1..]);
        for (dtype, within) in [(DType::F32, 1e-6), (DType::F64, 1e-13)] {
            for transposed in [false, true] {
                let sums = observed([held(at, dtype, transposed, true)]);
                let (difference, name) = apart(&sums, &expected);
                assert!(difference < within, "{dtype:?} {name}: {difference:e}");
            }
        }
    }

    #[test]
    fn sixteen_bits_are_upcast_before_they_are_added() {
        // 65 536 × 1e-4, which a sum in bf16 answers with 0.03.
        for dtype in [DType::BF16, DType::F16] {
            let vars = VarMap::new();
            let ones = Tensor::ones((256, 256), dtype, &Device::Cpu).unwrap();
            let var = Var::from_tensor(&ones).unwrap();
            vars.data()
                .lock()
                .unwrap()
                .insert("w".to_owned(), var.clone());
            let small = (&ones * 1e-4).unwrap();
            let exact = f64::from(
                small
                    .to_dtype(DType::F32)
                    .unwrap()
                    .flatten_all()
                    .unwrap()
                    .to_vec1::<f32>()
                    .unwrap()[0],
            ) * 65_536.0;
            let gradients = (var.as_tensor() * &small)
                .unwrap()
                .sum_all()
                .unwrap()
                .backward()
                .unwrap();
            let parameters = Parameters::new(&vars, &Assignment::each(["w"])).unwrap();
            let snapshot = parameters.snapshot(&gradients);
            let host = observed([snapshot]);
            let device = observed([snapshot.reduced_by_candle()]);
            assert_eq!(host.w_g, exact, "{dtype:?}");
            assert!(
                (device.w_g / exact - 1.0).abs() < 1e-6,
                "{dtype:?} {}",
                device.w_g
            );
        }
    }

    fn refused(vars: &VarMap, layers: &Assignment, loss: &Tensor) -> Error {
        let gradients = loss.backward().unwrap();
        let parameters = Parameters::new(vars, layers).unwrap();
        let mut observer = Observer::new(layers.groups().clone()).unwrap();
        let refused = observer
            .observe(&Step::new(0.5), &parameters.snapshot(&gradients))
            .unwrap_err();
        assert_eq!(observer.steps(), 0);
        refused
    }

    fn all(vars: &VarMap) -> Assignment {
        Assignment::by_module(names(vars).unwrap().iter().map(String::as_str))
    }

    #[test]
    fn a_graph_that_a_fused_operation_cut_is_reported_by_name() {
        let vars = VarMap::new();
        let build = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
        let fc = linear(6, 5, build.pp("fc")).unwrap();
        let norm = layer_norm(5, 1e-5, build.pp("norm")).unwrap();
        let input = Tensor::randn(0f32, 1.0, (4, 6), &Device::Cpu).unwrap();
        let output = norm.forward(&fc.forward(&input).unwrap()).unwrap();
        let loss = output.sqr().unwrap().mean_all().unwrap();
        match refused(&vars, &all(&vars), &loss) {
            Error::NoGradient { parameter, cause } => {
                assert_eq!(parameter, "fc.bias");
                assert!(cause.contains("layer_norm_slow"), "{cause}");
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn running_statistics_are_told_from_parameters() {
        let vars = VarMap::new();
        let build = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
        let norm = batch_norm(5, 1e-5, build.pp("norm")).unwrap();
        let input = Tensor::randn(0f32, 1.0, (4, 5), &Device::Cpu).unwrap();
        let output = norm.forward_t(&input, true).unwrap();
        let loss = output.sqr().unwrap().mean_all().unwrap();
        let mut layers = all(&vars);
        match refused(&vars, &layers, &loss) {
            Error::NoGradient { parameter, cause } => {
                assert_eq!(parameter, "norm.running_mean");
                assert!(cause.contains("leave it out"), "{cause}");
            }
            other => panic!("{other}"),
        }
        layers.leave_out("norm.running_mean");
        layers.leave_out("norm.running_var");
        let parameters = Parameters::new(&vars, &layers).unwrap();
        let seen: Vec<&str> = parameters.iter().map(|(name, _)| name).collect();
        assert_eq!(seen, ["norm.bias", "norm.weight"]);
    }

    #[test]
    fn names_must_fit_and_tied_variables_count_once() {
        let vars = VarMap::new();
        let build = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
        let weight = build.get((3, 2), "embedding.weight").unwrap();
        let tied = vars.data().lock().unwrap()["embedding.weight"].clone();
        vars.data()
            .lock()
            .unwrap()
            .insert("head.weight".to_owned(), tied);
        let parameters = Parameters::new(&vars, &all(&vars)).unwrap();
        assert_eq!(parameters.iter().len(), 1);
        let gradients = weight.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let mut observer = Observer::new(all(&vars).groups().clone()).unwrap();
        observer
            .observe(&Step::new(0.5), &parameters.snapshot(&gradients))
            .unwrap();

        let missing = Assignment::each(["embedding.weight"]);
        assert!(matches!(
            Parameters::new(&vars, &missing),
            Err(Error::Unassigned { parameter }) if parameter == "head.weight"
        ));
        let extra = Assignment::each(["embedding.weight", "head.weight", "typo"]);
        assert!(matches!(
            Parameters::new(&vars, &extra),
            Err(Error::UnknownParameter { parameter }) if parameter == "typo"
        ));
    }

    /// Normalised over the batch by hand: each row by itself. Over features: the whole matrix.
    #[test]
    fn symmetries_of_normalised_layers_are_found_through_candle() {
        for (axis, expected) in [
            (0, Symmetry::ScaleInvariantBy(5)),
            (1, Symmetry::ScaleInvariant),
        ] {
            let vars = VarMap::new();
            let build = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
            let init = candle_nn011::init::DEFAULT_KAIMING_NORMAL;
            let weight = build.get_with_hints((5, 6), "fc.weight", init).unwrap();
            let parameters = Parameters::new(&vars, &all(&vars)).unwrap();
            let mut test = thermograd::invariance::ScaleTest::new();
            for _ in 0..128 {
                let input = Tensor::randn(0f32, 1.0, (16, 6), &Device::Cpu).unwrap();
                let target = Tensor::randn(0f32, 1.0, (16, 5), &Device::Cpu).unwrap();
                let y = input.matmul(&weight.t().unwrap()).unwrap();
                let mean = y.mean_keepdim(axis).unwrap();
                let y = y.broadcast_sub(&mean).unwrap();
                let deviation = y.sqr().unwrap().mean_keepdim(axis).unwrap().sqrt().unwrap();
                let y = y.broadcast_div(&deviation).unwrap();
                let loss = (y - target).unwrap().sqr().unwrap().mean_all().unwrap();
                let gradients = loss.backward().unwrap();
                parameters.scale_test(&gradients, &mut test).unwrap();
            }
            let proposal = test.proposal();
            assert_eq!(proposal.symmetry("fc.weight"), Some(expected), "{proposal}");
        }
    }

    #[test]
    fn an_element_that_is_not_finite_is_traced_to_its_parameter() {
        let mut run = run();
        run[0].g[3] = f32::NAN;
        let held = held(&run[0], DType::F32, false, false);
        let mut groups = Groups::new();
        groups.add("layer", Symmetry::Generic);
        let refused = Observer::new(groups)
            .unwrap()
            .observe(&Step::new(0.5), &held)
            .unwrap_err();
        match refused {
            Error::NonFinite { index, .. } => {
                let found = held.parameters.locate(group(), index);
                assert_eq!(found, Some(("layer.weight", 3)));
                assert_eq!(held.parameters.locate(group(), ROWS * COLUMNS), None);
            }
            other => panic!("{other}"),
        }
    }
}

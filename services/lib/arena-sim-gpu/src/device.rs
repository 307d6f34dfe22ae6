//! One opened device with the kernel on it. Whatever goes wrong there is noted and never panics.
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arena_sim::{BackendError, Capacity};

use crate::adapter::{Accept, AdapterFacts};
use crate::kernel::Kernel;
use crate::shape::{Shape, WORD};

/// Storage buffers are no larger, so that any device can bind one.
const PAGE_BYTES_MAX: u64 = 128 << 20;
/// Bindings of the kernel: slabs, inputs, outputs, tables, batch, and the parameters.
const BINDINGS: [wgpu::BufferBindingType; 6] = [
    wgpu::BufferBindingType::Storage { read_only: false },
    wgpu::BufferBindingType::Storage { read_only: true },
    wgpu::BufferBindingType::Storage { read_only: false },
    wgpu::BufferBindingType::Storage { read_only: true },
    wgpu::BufferBindingType::Storage { read_only: true },
    wgpu::BufferBindingType::Uniform,
];

/// How a device is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Lanes that step one match: 64, or 256 where matches are few and large.
    pub workgroup: u32,
    /// The device hashes a match whenever its ticks are a multiple of this; at least 1.
    pub hash_every_ticks: u32,
    /// Matches in the first page of a size class; each further page is twice as large, up to 128 MiB.
    pub first_page_matches: usize,
    /// A device that says nothing for so long is lost: the driver of a good one resets it long before.
    pub answer_max: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workgroup: 64,
            hash_every_ticks: 16,
            first_page_matches: 256,
            answer_max: Duration::from_secs(10),
        }
    }
}

/// Why there is no device.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// None that may be used; `found` are those that may not.
    #[error("find a Vulkan device that is allowed among {}", list(found))]
    NoneAllowed {
        /// All devices of this machine.
        found: Vec<AdapterFacts>,
    },
    /// The driver refused.
    #[error("open {name}")]
    Refused {
        /// The device's name.
        name: String,
        /// What the driver said.
        source: wgpu::RequestDeviceError,
    },
    /// It opened, but does not take the kernel.
    #[error("prepare the kernel on {name}: {reason}")]
    Kernel {
        /// The device's name.
        name: String,
        /// What the driver said.
        reason: String,
    },
}

fn list(found: &[AdapterFacts]) -> String {
    let names: Vec<String> = found.iter().map(ToString::to_string).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// An opened device; backends of several threads may share one.
#[derive(Debug)]
pub struct Gpu {
    facts: AdapterFacts,
    options: Options,
    device: wgpu::Device,
    queue: wgpu::Queue,
    fault: Arc<OnceLock<String>>,
    bindings: wgpu::BindGroupLayout,
    pipeline_layout: wgpu::PipelineLayout,
    module: wgpu::ShaderModule,
    pipelines: [OnceLock<wgpu::ComputePipeline>; Capacity::ALL.len()],
    page_bytes_max: u64,
}

impl Gpu {
    /// Lists the Vulkan devices of this machine.
    #[must_use]
    pub fn list() -> Vec<AdapterFacts> {
        adapters().iter().map(|it| AdapterFacts::of(&it.get_info())).collect()
    }

    /// Opens the first device that is allowed, discrete ones first.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(accept: Accept, options: Options) -> Result<Arc<Self>, OpenError> {
        Self::open_with(accept, options, &Kernel::new())
    }

    /// Opens a device with another kernel, as tests do.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_with(
        accept: Accept,
        options: Options,
        kernel: &Kernel,
    ) -> Result<Arc<Self>, OpenError> {
        let mut all = adapters();
        all.sort_by_key(|it| AdapterFacts::of(&it.get_info()).kind);
        let allowed = |it: &&wgpu::Adapter| accept.allows(AdapterFacts::of(&it.get_info()).kind);
        let Some(adapter) = all.iter().find(allowed) else {
            let found = all.iter().map(|it| AdapterFacts::of(&it.get_info())).collect();
            return Err(OpenError::NoneAllowed { found });
        };
        let gpu = Self::on(adapter, options, kernel)?;
        Ok(Arc::new(gpu))
    }

    fn on(adapter: &wgpu::Adapter, options: Options, kernel: &Kernel) -> Result<Self, OpenError> {
        let facts = AdapterFacts::of(&adapter.get_info());
        let (device, queue, fault) = request(adapter, &facts)?;
        let limits = device.limits();
        let bindings = bind_group_layout(&device);
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("step"),
            bind_group_layouts: &[Some(&bindings)],
            immediate_size: 0,
        });
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("step"),
            source: wgpu::ShaderSource::Wgsl(kernel.text().into()),
        });
        let largest = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let gpu = Self {
            facts,
            options,
            device,
            queue,
            fault,
            bindings,
            pipeline_layout,
            module,
            pipelines: std::array::from_fn(|_| OnceLock::new()),
            page_bytes_max: largest.min(PAGE_BYTES_MAX),
        };
        gpu.check_kernel()?;
        Ok(gpu)
    }

    fn check_kernel(&self) -> Result<(), OpenError> {
        let failed = |reason: &String| OpenError::Kernel {
            name: self.facts.name.clone(),
            reason: reason.clone(),
        };
        self.fault.get().map_or(Ok(()), |reason| Err(failed(reason)))
    }

    /// Returns what the device is.
    #[must_use]
    pub fn facts(&self) -> &AdapterFacts {
        &self.facts
    }

    /// Returns how it is used.
    #[must_use]
    pub fn options(&self) -> Options {
        self.options
    }

    /// Returns why the device is lost, if it is.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        self.fault.get().map(String::as_str)
    }

    /// Destroys the device as a failing driver would.
    #[cfg(any(test, feature = "testing"))]
    pub fn destroy(&self) {
        self.device.destroy();
    }

    /// Fails once the device is lost.
    pub(crate) fn check(&self) -> Result<(), BackendError> {
        self.fault.get().map_or(Ok(()), |reason| Err(lost(reason)))
    }

    pub(crate) fn page_bytes_max(&self) -> usize {
        usize::try_from(self.page_bytes_max).unwrap_or(usize::MAX)
    }

    pub(crate) fn buffer(
        &self,
        label: &str,
        words: usize,
        usage: wgpu::BufferUsages,
    ) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: (words * WORD) as u64,
            usage,
            mapped_at_creation: false,
        })
    }

    /// Runs `make` and says whether the device had the memory for it.
    pub(crate) fn allocate<T>(&self, make: impl FnOnce() -> T) -> Option<T> {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let made = make();
        pollster::block_on(scope.pop()).is_none().then_some(made)
    }

    /// Queues words to be written before the next dispatch.
    pub(crate) fn write(&self, buffer: &wgpu::Buffer, byte: usize, words: &[u32]) {
        self.queue.write_buffer(buffer, byte as u64, bytemuck::cast_slice(words));
    }

    pub(crate) fn bind_group(&self, buffers: [&wgpu::Buffer; 6]) -> wgpu::BindGroup {
        let entries: [wgpu::BindGroupEntry<'_>; 6] =
            std::array::from_fn(|binding| wgpu::BindGroupEntry {
                binding: binding as u32,
                resource: buffers[binding].as_entire_binding(),
            });
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("page"),
            layout: &self.bindings,
            entries: &entries,
        })
    }

    /// Returns the kernel of a size class, compiled by the driver at its first use.
    pub(crate) fn pipeline(&self, shape: &Shape) -> &wgpu::ComputePipeline {
        self.pipelines[shape.capacity.index()].get_or_init(|| {
            self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some("step"),
                layout: Some(&self.pipeline_layout),
                module: &self.module,
                entry_point: Some("step"),
                cache: None,
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &shape.constants(self.options.workgroup),
                    zero_initialize_workgroup_memory: false,
                },
            })
        })
    }

    pub(crate) fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("step") })
    }

    /// Submits the work, waits for it, and gives `read` the first `words` of each staging buffer.
    ///
    /// # Errors
    /// [`BackendError::Device`]; nothing was read then.
    pub(crate) fn finish(
        &self,
        encoder: wgpu::CommandEncoder,
        staging: &[(wgpu::Buffer, usize)],
        mut read: impl FnMut(usize, &[u32]),
    ) -> Result<(), BackendError> {
        self.queue.submit([encoder.finish()]);
        self.check()?;
        for (buffer, words) in staging {
            buffer.map_async(wgpu::MapMode::Read, ..(words * WORD) as u64, |_| {});
        }
        let timeout = Some(self.options.answer_max);
        let wait = wgpu::PollType::Wait { submission_index: None, timeout };
        if let Err(error) = self.device.poll(wait) {
            self.note(error.to_string());
        }
        self.check()?;
        let mut views = Vec::with_capacity(staging.len());
        for (buffer, words) in staging {
            match buffer.get_mapped_range(..(words * WORD) as u64) {
                Ok(view) => views.push(view),
                Err(error) => self.note(error.to_string()),
            }
        }
        self.check()?;
        for (i, view) in views.iter().enumerate() {
            read(i, bytemuck::cast_slice(view));
        }
        drop(views);
        for (buffer, _) in staging {
            buffer.unmap();
        }
        Ok(())
    }

    fn note(&self, reason: String) {
        // The first reason is the cause of all others.
        let _ = self.fault.set(reason);
    }
}

fn lost(reason: &str) -> BackendError {
    BackendError::Device { reason: reason.to_owned() }
}

fn adapters() -> Vec<wgpu::Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::VULKAN,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    pollster::block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN))
}

type Requested = (wgpu::Device, wgpu::Queue, Arc<OnceLock<String>>);

/// Opens a device with no features and the least limits, and notes whatever it complains of.
fn request(adapter: &wgpu::Adapter, facts: &AdapterFacts) -> Result<Requested, OpenError> {
    let limits = adapter.limits();
    let binding = limits.max_storage_buffer_binding_size.min(PAGE_BYTES_MAX);
    let required_limits = wgpu::Limits {
        max_storage_buffer_binding_size: binding,
        max_buffer_size: limits.max_buffer_size.min(2 * PAGE_BYTES_MAX),
        ..wgpu::Limits::defaults()
    };
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("arena"),
        required_limits,
        ..wgpu::DeviceDescriptor::default()
    };
    let opened = pollster::block_on(adapter.request_device(&descriptor));
    let (device, queue) =
        opened.map_err(|source| OpenError::Refused { name: facts.name.clone(), source })?;
    let fault = Arc::new(OnceLock::new());
    let noted = Arc::clone(&fault);
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        let _ = noted.set(error.to_string());
    }));
    let noted = Arc::clone(&fault);
    device.set_device_lost_callback(move |reason, message| {
        let _ = noted.set(format!("{reason:?}: {message}"));
    });
    Ok((device, queue, fault))
}

fn bind_group_layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let entries: [wgpu::BindGroupLayoutEntry; 6] =
        std::array::from_fn(|binding| wgpu::BindGroupLayoutEntry {
            binding: binding as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: BINDINGS[binding],
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        });
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("page"),
        entries: &entries,
    })
}

//! Which images a spec needs: one a program.

use std::collections::BTreeMap;

use arenactl_planning::spec::Spec;

use super::error::ImageError;

/// The program, and the name in `--service`, of arenactl's own image.
pub const OPERATOR: &str = "arenactl";

/// Which target of the Dockerfile is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A program and nothing else.
    Plain,
    /// With a Vulkan loader.
    Gpu,
}

impl Target {
    /// Returns its name in the Dockerfile.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gpu => "gpu",
        }
    }
}

/// One image to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Its name, tag included.
    pub image: String,
    /// The program in it.
    pub binary: String,
    /// Who runs it, at least one.
    pub services: Vec<String>,
    /// What is under the program: a GPU's userland if one of the services asks for a GPU.
    pub target: Target,
}

/// Returns the images of the services named in `only`, or of all and of arenactl itself; by name.
///
/// # Errors
/// [`ImageError::UnknownService`] and [`ImageError::Collision`].
pub fn recipes(spec: &Spec, only: &[String]) -> Result<Vec<Recipe>, ImageError> {
    let all = || spec.services.keys().map(ToString::to_string).chain([OPERATOR.to_owned()]);
    if let Some(service) = only.iter().find(|it| !all().any(|known| known == **it)) {
        let (service, known) = (service.clone(), all().collect());
        return Err(ImageError::UnknownService { service, known });
    }
    let mut recipes: BTreeMap<String, Recipe> = BTreeMap::new();
    let services = spec.services.iter().map(|(name, service)| {
        let target = if service.resources.gpus > 0 { Target::Gpu } else { Target::Plain };
        (name.to_string(), spec.image_of(name), service.binary.clone(), target)
    });
    let operator = (OPERATOR.to_owned(), spec.operator_image(), OPERATOR.to_owned(), Target::Plain);
    for (service, image, binary, target) in services.chain([operator]) {
        let recipe = recipes.entry(image.clone()).or_insert_with(|| Recipe {
            image: image.clone(),
            binary: binary.clone(),
            services: Vec::new(),
            target,
        });
        if recipe.binary != binary {
            let first = recipe.binary.clone();
            return Err(ImageError::Collision { image, first, second: binary });
        }
        recipe.target = recipe.target.max(target);
        recipe.services.push(service);
    }
    let is_wanted = |it: &Recipe| only.is_empty() || it.services.iter().any(|it| only.contains(it));
    Ok(recipes.into_values().filter(is_wanted).collect())
}

#[cfg(test)]
mod tests {
    use arenactl_planning::spec::{Ask, read};
    use expect_test::{Expect, expect};

    use super::*;

    fn spec(services: &str) -> Spec {
        let text =
            format!("images: {{registry: r.example/arena, tag: '7'}}\nservices:\n{services}");
        let read = read(&text, &Ask::default());
        assert!(read.errors.is_empty(), "{:?}", read.errors);
        read.spec
    }

    fn check(services: &str, only: &[&str], expect: &Expect) {
        let only: Vec<String> = only.iter().map(ToString::to_string).collect();
        let text = match recipes(&spec(services), &only) {
            Err(error) => format!("{error}\nhelp: {}\n", error.help()),
            Ok(recipes) => recipes.iter().fold(String::new(), |text, it| {
                let Recipe { image, binary, services, target } = it;
                text + &format!("{image} = {} {binary} for {services:?}\n", target.name())
            }),
        };
        expect.assert_eq(&text);
    }

    #[test]
    fn services_of_one_program_share_an_image() {
        check(
            "  auth: {}\n  game: {resources: {gpus: 1}}\n  bots: {binary: arena-game}\n",
            &[],
            &expect![[r#"
                r.example/arena/arena-auth:7 = plain arena-auth for ["auth"]
                r.example/arena/arena-game:7 = gpu arena-game for ["bots", "game"]
                r.example/arena/arenactl:7 = plain arenactl for ["arenactl"]
            "#]],
        );
    }

    #[test]
    fn only_what_is_named_is_built() {
        check(
            "  auth: {}\n  game: {}\n",
            &["auth"],
            &expect![[r#"
                r.example/arena/arena-auth:7 = plain arena-auth for ["auth"]
            "#]],
        );
    }

    #[test]
    fn an_unknown_service_is_told_with_the_known_ones() {
        check(
            "  auth: {}\n",
            &["atuh"],
            &expect![[r"
                spec has no service `atuh`
                help: one of: auth, arenactl
            "]],
        );
    }

    #[test]
    fn two_programs_cannot_be_one_image() {
        check(
            "  auth: {image: 'r.example/x:1'}\n  game: {image: 'r.example/x:1'}\n",
            &[],
            &expect![[r"
                image `r.example/x:1` would be both `arena-auth` and `arena-game`
                help: one program an image: give one of the services another `image` than `r.example/x:1`
            "]],
        );
    }
}

"""sentence-transformers' trainer, given pairs that are tokens already, and groups whose losses count by weight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from middleware.errors import ConfigError
from middleware.learning.reranker.batches import Batches, Encoded, Share
from middleware.learning.reranker.losses import make_group_loss
from middleware.learning.reranker.recipe import Recipe
from middleware.learning.reranker.starting_weights import TrainedParts
from middleware.rerank.backends.processor import this_processor

WEIGHTS_FILE = "trained.pt"
NDCG = "ndcg"
"""The name that the held-out measure has in the trainer's logs, after "eval_"."""

_LOGGING_STEPS = 10
_NEVER = 10**9
_PATIENCE_S = 24 * 3600

Check = Callable[[], float]
"""The held-out nDCG@10 of the model as it is; called on the first process alone."""


def make_trainer(
    cross_encoder: Any, parts: TrainedParts, encoded: Encoded, check: Check | None, args: Any, recipe: Recipe
) -> Any:
    """A CrossEncoderTrainer that trains `parts` of the model on `encoded` as `recipe` says, and calls `check`."""
    import torch
    from sentence_transformers.base.evaluation import BaseEvaluator
    from sentence_transformers.cross_encoder import CrossEncoderTrainer

    batches = Batches(encoded, recipe, args.process_index, args.world_size)
    criterion = _make_criterion(recipe)

    class Evaluator(BaseEvaluator):  # type: ignore[misc]
        def __call__(self, *_: Any, **__: Any) -> dict[str, float]:
            assert check
            return {NDCG: check()}

    class Trainer(CrossEncoderTrainer):  # type: ignore[misc]
        def preprocess_dataset(self, dataset: Any = None, dataset_name: str | None = None) -> Any:
            return dataset

        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            """A card for a hub; ours is training.json."""

        def get_train_dataloader(self) -> Any:
            # Not prepared by accelerate: the batches are cut to this process's share already.
            return torch.utils.data.DataLoader(
                self.train_dataset, batch_sampler=batches, collate_fn=lambda shares: _collate(encoded, shares[0])
            )

        def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
            logits = torch.cat([model(one)["scores"].view(-1) for one in inputs["passes"]]).float()[inputs["places"]]
            loss = criterion(logits, inputs["targets"], inputs["weights"], inputs["sizes"])
            # Processes are averaged and steps of an update divided by their number; pieces of an update are to count.
            steps = getattr(self, "current_gradient_accumulation_steps", args.gradient_accumulation_steps)
            return loss / inputs["in_update"] * args.world_size * steps

        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            assert output_dir
            Path(output_dir).mkdir(parents=True, exist_ok=True)
            torch.save(parts.state(), Path(output_dir) / WEIGHTS_FILE)

        def _load_from_checkpoint(self, checkpoint_path: str) -> None:
            parts.load(torch.load(Path(checkpoint_path) / WEIGHTS_FILE, weights_only=True, map_location="cpu"))

        def _load_best_model(self) -> None:
            # The library's goes on with the last weights where this fails.
            self._load_from_checkpoint(self.state.best_model_checkpoint)

    trainer = Trainer(
        model=cross_encoder,
        args=args,
        train_dataset=_Shares(batches),
        loss=torch.nn.Identity(),
        evaluator=Evaluator() if check else None,
        optimizers=_make_optimizer(torch, parts, recipe, batches.updates * recipe.epochs),
    )
    trainer.updates_per_epoch = batches.updates
    return trainer


class _Shares:
    """The sampler makes what the loader asks for: there is nothing to look up."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, share: Share) -> Share:
        return share


def _collate(encoded: Encoded, share: Share) -> dict[str, Any]:
    import torch

    rows = [row for piece in share.pieces for row in piece]
    passes, places = encoded.passes(rows)
    return {
        "passes": passes,
        "places": torch.from_numpy(places),
        "targets": torch.from_numpy(encoded.targets[rows]),
        "weights": torch.tensor(share.weights, dtype=torch.float32),
        "sizes": [len(piece) for piece in share.pieces],
        "in_update": share.in_update,
    }


def _make_criterion(recipe: Recipe) -> Callable[[Any, Any, Any, Sequence[int]], Any]:
    """The weighted sum of the pieces' losses."""
    import torch

    if not recipe.over_groups:
        return lambda logits, targets, weights, _: torch.nn.functional.binary_cross_entropy_with_logits(
            logits, targets, weight=weights, reduction="sum"
        )
    group_loss = make_group_loss(recipe)

    def of_groups(logits: Any, targets: Any, weights: Any, sizes: Sequence[int]) -> Any:
        of_each = map(group_loss, logits.split(sizes), targets.split(sizes))
        return (torch.stack(list(of_each)) * weights).sum()

    return of_groups


def _make_optimizer(torch: Any, parts: TrainedParts, recipe: Recipe, updates: int) -> tuple[Any, Any]:
    optimizer = torch.optim.AdamW(parts.groups(recipe), fused=True)
    warm_up = max(1, round(recipe.warm_up_share * updates))

    def share_of_rate(update: int) -> float:
        return float(min((update + 1) / warm_up, max(0, updates - update) / max(1, updates - warm_up)))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, share_of_rate)


def make_arguments(recipe: Recipe, folder: Path, *, has_check: bool) -> Any:
    """The trainer's arguments on what is there: CUDA, MPS or the CPU; in a process group where one was launched."""
    import torch
    from sentence_transformers.cross_encoder import CrossEncoderTrainingArguments

    precision = pick_precision(torch, recipe)
    args = CrossEncoderTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        gradient_accumulation_steps=recipe.accumulation,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=not (torch.cuda.is_available() or torch.backends.mps.is_available()),
        seed=recipe.seed,
        logging_steps=_LOGGING_STEPS,
        # When to check and to save is for whoever watches the training to say.
        eval_strategy="steps" if has_check else "no",
        eval_steps=_NEVER,
        save_strategy="steps",
        save_steps=_NEVER,
        load_best_model_at_end=has_check,
        save_total_limit=2,
        metric_for_best_model=f"eval_{NDCG}",
        greater_is_better=True,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
        ddp_timeout=_PATIENCE_S,
    )
    args._n_gpu = min(args.n_gpu, 1)  # several GPUs of one process: launch a process for each instead
    return args


def pick_precision(torch: Any, recipe: Recipe) -> str:
    """What is asked for; on auto bf16 where GPU or processor have it, else fp32. Raises ConfigError for fp16 on a CPU.

    On one core with AVX512-BF16 a step of MiniLM-L6 took 54 % of fp32's time.
    """
    on_gpu = torch.cuda.is_available()
    if recipe.precision == "fp16" and not on_gpu:
        raise ConfigError("precision", recipe.precision, "there is no GPU here; give fp32 or bf16")
    if recipe.precision != "auto":
        return recipe.precision
    on_mps = torch.backends.mps.is_available()
    has_bf16 = torch.cuda.is_bf16_supported() if on_gpu else this_processor().bf16 and not on_mps
    return "bf16" if has_bf16 else "fp32"

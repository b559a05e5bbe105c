# make test    everything that must pass, from a fresh clone (as root it installs what is missing)
# make others  the fast parts with every other Python >= 3.11 on this machine
# make demo    the main job on an emulated AWS, in a throw-away home
# make bench   the time budgets of an installed wheel, measured (`.venv/bin/python -m scripts.bench --quick` sees whether it runs)
# make clean   remove what the above made inside the checkout

PYTHON = .venv/bin/python
INSTALLED = .venv/.installed

.PHONY: test others lint demo bench tools packages clean

test: lint tools
	$(PYTHON) -m scripts.without_callers $(PYTHON) -m pytest -n auto --dist worksteal

others:
	scripts/other-pythons

lint: $(INSTALLED)
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy --strict

demo: $(INSTALLED)
	$(PYTHON) scripts/test_tools.py ministack aws-cli-2
	$(PYTHON) -m scripts.demo

bench: $(INSTALLED) tools
	$(PYTHON) -m scripts.bench

tools: $(INSTALLED)
	$(PYTHON) scripts/test_tools.py

$(INSTALLED): pyproject.toml launcher/shellvault | packages
	python=$$(scripts/find-python) && { [ -x $(PYTHON) ] || "$$python" -m venv .venv; }
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

packages:
	scripts/system-packages

clean:
	rm -rf .venv .venv-3.* dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

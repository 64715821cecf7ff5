"""Published data sets, for examples and tests.

Each loader takes no argument, reads a file shipped in the package and returns a new
:class:`pandas.DataFrame` whose last column is the target; other columns are numbers, and names are in the index::

    frame = load_phones()
    X, y = frame.drop(columns="calls"), frame["calls"]

The numbers are published measurements; each docstring names where they were printed.
"""

from __future__ import annotations

from importlib.resources import files

import pandas as pd

__all__ = [
    "load_coleman",
    "load_condroz",
    "load_engel",
    "load_grunfeld",
    "load_hbk",
    "load_phones",
    "load_radar_image",
    "load_stackloss",
    "load_stars",
    "load_state_crime",
]


def _read(name: str) -> pd.DataFrame:
    with files("robustreg").joinpath("_datasets", f"{name}.csv").open() as lines:
        return pd.read_csv(lines)


def load_phones() -> pd.DataFrame:
    """Return international calls from Belgium, 1950 to 1973, six of them in wrong units.

    Data with vertical outliers: from 1964 to 1969 the *minutes* of the calls were recorded
    in place of their number, and parts of 1963 and 1970 are affected too.

    Returns
    -------
    pandas.DataFrame of shape (24, 2)
        ``year``: year less 1900. ``calls``, the target: calls in millions.

    References
    ----------
    P. J. Rousseeuw and A. M. Leroy (1987), *Robust Regression and Outlier Detection*, Wiley,
    chapter 2, table 2, after the Belgian Statistical Survey of the Ministry of Economy. R's package
    MASS has it as ``phones``.

    Examples
    --------
    >>> from robustreg.datasets import load_phones
    >>> load_phones().tail(3)
        year  calls
    21    71   24.0
    22    72   27.0
    23    73   29.0
    """
    return _read("phones")


def load_stackloss() -> pd.DataFrame:
    """Return 21 days of a plant that oxidises ammonia to nitric acid.

    Returns
    -------
    pandas.DataFrame of shape (21, 4)
        ``air_flow``: flow of cooling air, a measure of how fast the plant runs. ``water_temp``:
        temperature of the cooling water at the inlet, degrees Celsius. ``acid_conc``:
        concentration of the acid, in per mille less 500. ``stack_loss``, the target: share of the
        ammonia that escapes unabsorbed, in per mille.

    References
    ----------
    K. A. Brownlee (1965), *Statistical Theory and Methodology in Science and Engineering*,
    2nd edition, Wiley, pp. 491-500. R has it as ``stackloss``.

    Examples
    --------
    >>> from robustreg.datasets import load_stackloss
    >>> load_stackloss().head(3)
       air_flow  water_temp  acid_conc  stack_loss
    0        80          27         89          42
    1        80          27         88          37
    2        75          25         90          37
    """
    return _read("stackloss")


def load_coleman() -> pd.DataFrame:
    """Return 20 schools of the Coleman report, their pupils and their teachers.

    Returns
    -------
    pandas.DataFrame of shape (20, 6)
        ``staff_salary``: staff salaries per pupil. ``father_white_collar``: fathers in
        white-collar work, per cent. ``socioeconomic``: composite of family size, family
        intactness, education of the parents and home items, as a deviation.
        ``teacher_score``: mean verbal score of the teachers. ``mother_education``: mean
        education of the mothers, one unit is two school years. ``verbal_score``, the target: mean
        verbal score of all sixth-graders.

    References
    ----------
    F. Mosteller and J. W. Tukey (1977), *Data Analysis and Regression*, Addison-Wesley, after
    J. S. Coleman and others (1966), *Equality of Educational Opportunity*. R's package
    robustbase has it as ``coleman``.

    Examples
    --------
    >>> from robustreg.datasets import load_coleman
    >>> float(load_coleman()["verbal_score"].max())
    43.1
    """
    return _read("coleman")


def load_engel() -> pd.DataFrame:
    """Return the income and food expenditure of 235 Belgian working-class households.

    The spread of the target grows with income, so the quantile lines fan out.

    Returns
    -------
    pandas.DataFrame of shape (235, 2)
        ``income``: household income, and ``food_expenditure``, the target: what the
        household spent on food; both in Belgian francs a year.

    References
    ----------
    R. Koenker and G. Bassett (1982), "Robust tests for heteroscedasticity based on regression
    quantiles", *Econometrica* 50, 43-61, after E. Engel (1857). R's package quantreg has it as
    ``engel``.

    Examples
    --------
    >>> from robustreg.datasets import load_engel
    >>> load_engel().median().round(1)
    income              884.0
    food_expenditure    582.5
    dtype: float64
    """
    return _read("engel")


def load_grunfeld() -> pd.DataFrame:
    """Return the investment of eleven firms of the USA in each year from 1935 to 1954.

    Two firms, General Motors and US Steel, do not follow the relation of the other nine: all their 40 samples are
    outliers of an MM fit, most of them bad leverage points. Samples of one firm depend on each other: use clustered
    standard errors.

    Returns
    -------
    pandas.DataFrame of shape (220, 3)
        Indexed by ``firm`` and ``year``. In millions of dollars of 1947: ``value``, market value of the firm at the
        end of the year before; ``capital``, stock of plant and equipment; ``invest``, the target: gross investment.

    References
    ----------
    Y. Grunfeld (1958), *The Determinants of Corporate Investment*, thesis, University of Chicago. C. Kleiber and A.
    Zeileis (2010), "The Grunfeld data at 50", *German Economic Review* 11, 404-417, recovered the table of all eleven
    firms. In the public domain; statsmodels has it as ``grunfeld``. M. Bilodeau and P. Duchesne (2000), "Robust
    estimation of the SUR model", *Canadian Journal of Statistics* 28, 277-288, fit such data robustly.

    Examples
    --------
    >>> from robustreg import MMRegressor
    >>> from robustreg.datasets import load_grunfeld
    >>> frame = load_grunfeld()
    >>> X, y = frame[["value", "capital"]], frame["invest"]
    >>> outlying = X.index[MMRegressor().fit(X, y).outliers_].get_level_values("firm")
    >>> outlying.value_counts().to_dict()["US Steel"]
    20
    """
    return _read("grunfeld").set_index(["firm", "year"])


def load_hbk() -> pd.DataFrame:
    """Return the artificial data with leverage points by Hawkins, Bradu and Kass.

    The first ten rows are outliers in X and y, bad leverage points. The next four lie as far out in X, and
    y belongs to what the other rows say: good leverage points.

    Returns
    -------
    pandas.DataFrame of shape (75, 4)
        ``x1``, ``x2``, ``x3``, and ``y``, the target.

    References
    ----------
    D. M. Hawkins, D. Bradu and G. V. Kass (1984), "Location of several outliers in multiple-regression data
    using elemental sets", *Technometrics* 26, 197-208. R's package robustbase has it as ``hbk``.

    Examples
    --------
    >>> from robustreg.datasets import load_hbk
    >>> load_hbk().iloc[[0, 10, 20]]
          x1    x2    x3    y
    0   10.1  19.6  28.3  9.7
    10  11.0  24.0  35.0 -0.2
    20   2.6   2.2   1.9  0.9
    """
    return _read("hbk")


def load_condroz() -> pd.DataFrame:
    """Return acidity and calcium of 428 samples of soil from the Condroz in Belgium.

    Contaminated and heavy-tailed: most samples have some hundred units of calcium, some up to 3,880. The more
    alkaline the soil, the more outliers there are, so that they nearly double the slope of least squares.

    Returns
    -------
    pandas.DataFrame of shape (428, 2)
        ``ph``: pH value, from 7.0 to 7.5. ``calcium``, the target: calcium content.

    References
    ----------
    Y. Goegebeur, V. Planchon, J. Beirlant and R. Oger (2005), *Quality assessment of pedochemical data using
    extreme value methodology*, Journal of Applied Sciences 5, 1092-1102. R's package robustbase has it as
    ``condroz``.

    Examples
    --------
    >>> from robustreg import L2Regressor, MMRegressor
    >>> from robustreg.datasets import load_condroz
    >>> soil = load_condroz()
    >>> X, y = soil[["ph"]], soil["calcium"]
    >>> L2Regressor().fit(X, y).coef_.round().tolist()
    [592.0]
    >>> model = MMRegressor().fit(X, y)
    >>> model.coef_.round().tolist(), int(model.outliers_.sum())
    ([319.0], 33)
    """
    return _read("condroz")


def load_radar_image() -> pd.DataFrame:
    """Return three bands of a satellite radar image of a suburb of Munich, at 1,573 pixels.

    Contaminated in targets and features: some 40 samples, most of them together, are far from the others. They make
    a strong effect of the third band on the first one, which all others lack.

    Returns
    -------
    pandas.DataFrame of shape (1573, 5)
        ``x`` and ``y``: place in the image. ``band_2``, ``band_3`` and ``band_1``, the target: values of three
        frequency bands.

    References
    ----------
    R. A. Maronna, R. D. Martin and V. J. Yohai (2006), *Robust Statistics: Theory and Methods*, Wiley, whose
    website has the data, supplied by A. Frery. R's package robustbase has it as ``radarImage``.

    Examples
    --------
    >>> from robustreg import L2Regressor, MMRegressor
    >>> from robustreg.datasets import load_radar_image
    >>> image = load_radar_image()
    >>> X, y = image[["band_2", "band_3"]], image["band_1"]
    >>> L2Regressor().fit(X, y).coef_.round(2).tolist()
    [0.3, 0.52]
    >>> MMRegressor().fit(X, y).coef_.round(2).tolist()
    [0.29, 0.03]
    """
    return _read("radar_image")


def load_stars() -> pd.DataFrame:
    """Return temperature and light of the 47 stars of the cluster CYG OB1.

    Four giants, samples 10, 19, 29 and 33, are bad leverage points: cool and bright. They reverse the sign of a
    least-squares or Huber slope.

    Returns
    -------
    pandas.DataFrame of shape (47, 2)
        ``log_temperature``: logarithm of the effective temperature at the surface. ``log_light``, the
        target: logarithm of the light intensity.

    References
    ----------
    P. J. Rousseeuw and A. M. Leroy (1987), *Robust Regression and Outlier Detection*, Wiley,
    chapter 2, table 3, after C. Doom. R's package robustbase has it as ``starsCYG``.

    Examples
    --------
    >>> from robustreg import L2Regressor, MMRegressor
    >>> from robustreg.datasets import load_stars
    >>> stars = load_stars()
    >>> X, y = stars[["log_temperature"]], stars["log_light"]
    >>> L2Regressor().fit(X, y).coef_.round(2).tolist()
    [-0.41]
    >>> MMRegressor().fit(X, y).outliers_.nonzero()[0].tolist()
    [10, 19, 29, 33]
    """
    return _read("stars")


def load_state_crime() -> pd.DataFrame:
    """Return murder rates and living conditions of the 50 states of the USA and the District of Columbia.

    The states are in alphabetical order. Sample 8, the District of Columbia, is a leverage point.

    Returns
    -------
    pandas.DataFrame of shape (51, 6)
        In per cent: ``hs_grad``, adults who graduated from high school; ``poverty``, people below the
        poverty line; ``single``, families of single parents; ``white``, people of one race, white;
        ``urban``, people in urbanised areas. ``murder``, the target: murders for each 100,000 people.

    References
    ----------
    American Statistical Abstracts, American Community Survey (2009) and Census (2010) of the USA; public domain.
    statsmodels has it as ``statecrime`` and uses it to show robust regression.

    Examples
    --------
    >>> from robustreg import MMRegressor
    >>> from robustreg.datasets import load_state_crime
    >>> crime = load_state_crime()
    >>> model = MMRegressor().fit(crime.drop(columns="murder"), crime["murder"])
    >>> bool(model.outliers_[8])
    True
    """
    return _read("state_crime")
